package recovery

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/gquic/wire"
)

// readVectors fills v from a group of the reference vectors, or skips the test.
func readVectors(t *testing.T, group string, v any) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "shared/vectors/wire.json")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Skip("shared/vectors is not beside this checkout; skipping the reference vectors")
		}
		dir = filepath.Dir(dir)
	}
	b, err := os.ReadFile(filepath.Join(dir, "shared/vectors/connection.json"))
	if err != nil {
		t.Fatal(err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(b, &groups); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(groups[group], v); err != nil {
		t.Fatal(err)
	}
}

// near holds an integer result against one computed in 32-bit floating point.
func near(t *testing.T, what string, got time.Duration, wantMicros int64) {
	t.Helper()
	if want := time.Duration(wantMicros) * time.Microsecond; (got - want).Abs() > 2*time.Microsecond {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestRTTVectors(t *testing.T) {
	var v struct {
		Cases []struct {
			Name  string
			Steps []struct {
				Delta     int64 `json:"send_delta_us"`
				Delay     int64 `json:"ack_delay_us"`
				Latest    int64 `json:"latest_us"`
				Min       int64 `json:"min_us"`
				Smoothed  int64 `json:"smoothed_us"`
				Deviation int64 `json:"mean_dev_us"`
			}
		}
		Expire struct {
			Samples []int64 `json:"samples_us"`
			After   struct {
				Smoothed  int64 `json:"smoothed_us"`
				Deviation int64 `json:"mean_dev_us"`
			}
		} `json:"expire_smoothed_metrics"`
		Initial int64 `json:"smoothed_or_initial_without_sample_us"`
	}
	readVectors(t, "rtt", &v)
	for _, c := range v.Cases {
		var r RTT
		near(t, "before a sample", r.Smoothed(), v.Initial)
		for _, s := range c.Steps {
			r.Update(time.Duration(s.Delta)*time.Microsecond, time.Duration(s.Delay)*time.Microsecond)
			near(t, c.Name+": latest", r.Latest(), s.Latest)
			near(t, c.Name+": min", r.Min(), s.Min)
			near(t, c.Name+": smoothed", r.Smoothed(), s.Smoothed)
			near(t, c.Name+": deviation", r.Deviation(), s.Deviation)
		}
	}
	var r RTT
	for _, s := range v.Expire.Samples {
		r.Update(time.Duration(s)*time.Microsecond, 0)
	}
	r.Expire()
	near(t, "expired smoothed", r.Smoothed(), v.Expire.After.Smoothed)
	near(t, "expired deviation", r.Deviation(), v.Expire.After.Deviation)
}

// timersOf returns a detector with the given estimate.
func timersOf(smoothed, deviation time.Duration) *Detector {
	d := New(Config{NoSkip: true})
	if smoothed > 0 {
		d.RTT = RTT{sampled: true, smoothed: smoothed, latest: smoothed, min: smoothed, deviation: deviation}
	}
	return &d
}

func TestTimerExamples(t *testing.T) {
	var v struct {
		Timers []struct {
			SRTT    float64   `json:"srtt_ms"`
			Var     float64   `json:"var_ms"`
			Crypto  []float64 `json:"crypto_ms_by_retransmission"`
			Lone    float64   `json:"tlp_one_packet_in_flight_ms"`
			Several float64   `json:"tlp_several_in_flight_ms"`
			RTO     []float64 `json:"rto_ms_by_backoff"`
		} `json:"chromium_timers"`
	}
	readVectors(t, "formula_examples", &v)
	if len(v.Timers) == 0 {
		t.Fatal("no examples")
	}
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	for _, x := range v.Timers {
		d := timersOf(ms(x.SRTT), ms(x.Var))
		for i, want := range x.Crypto {
			d.cryptos = i
			if got := d.cryptoDelay(); got != ms(want) {
				t.Errorf("srtt %v: crypto %d: %v, want %v", x.SRTT, i, got, ms(want))
			}
		}
		for i, want := range x.RTO {
			d.rtos = i
			if got := d.rtoDelay(); got != ms(want) {
				t.Errorf("srtt %v: RTO %d: %v, want %v", x.SRTT, i, got, ms(want))
			}
		}
		d.flying = 1
		if got := d.tlpDelay(); got != ms(x.Lone) {
			t.Errorf("srtt %v: lone TLP %v, want %v", x.SRTT, got, ms(x.Lone))
		}
		d.flying = 2
		if got := d.tlpDelay(); got != ms(x.Several) {
			t.Errorf("srtt %v: TLP %v, want %v", x.SRTT, got, ms(x.Several))
		}
	}
}

func TestNackExamples(t *testing.T) {
	var v struct {
		Nack []struct {
			InFlight []wire.PacketNumber `json:"in_flight"`
			Newest   wire.PacketNumber   `json:"newly_acked_largest"`
			Lost     []wire.PacketNumber `json:"lost_by_nack_rule"`
		} `json:"nack_threshold"`
	}
	readVectors(t, "formula_examples", &v)
	if len(v.Nack) == 0 {
		t.Fatal("no examples")
	}
	for _, x := range v.Nack {
		w := newWorld(Config{NoSkip: true})
		for range x.InFlight {
			w.send(Retransmittable)
		}
		w.now += 1000
		w.ack(wire.AckRange{Smallest: x.Newest, Largest: x.Newest})
		want := x.Lost
		got := numbers(w.r.Lost)
		if len(got) != len(want) || len(got) > 0 && got[len(got)-1] != want[len(want)-1] {
			t.Errorf("ack of %d: lost %v, want %v", x.Newest, got, want)
		}
	}
}

func TestSkipVectors(t *testing.T) {
	var v struct {
		Skip []struct {
			Next   wire.PacketNumber
			Skip   wire.PacketNumber `json:"next_to_skip"`
			Random uint16            `json:"random_u16"`
		} `json:"packet_number_skip"`
	}
	readVectors(t, "streams", &v)
	if len(v.Skip) == 0 {
		t.Fatal("no vectors")
	}
	for _, x := range v.Skip {
		if got := skipAfter(x.Next, x.Random); got != x.Skip {
			t.Errorf("after %d with %d: %d, want %d", x.Next, x.Random, got, x.Skip)
		}
	}
}
