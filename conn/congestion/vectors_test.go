package congestion

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/gquic"
	"example.com/gquic/conn/recovery"
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

func TestCubicVectors(t *testing.T) {
	var v struct {
		CubeFactor uint64 `json:"cube_factor"`
		Loss       []struct {
			N       uint64 `json:"num_connections"`
			Cwnd    uint64
			After1  uint64 `json:"after_loss_1"`
			After2  uint64 `json:"after_loss_2_without_growth"`
			LastMax uint64 `json:"last_max_1"`
			Last2   uint64 `json:"last_max_2"`
		}
		Curve []struct {
			N         uint64 `json:"num_connections"`
			Cwnd      uint64 `json:"cwnd_at_loss"`
			AfterLoss uint64 `json:"cwnd_after_loss"`
			AfterAck  uint64 `json:"cwnd_after_first_ack"`
			Friendly  uint64 `json:"tcp_estimate_after_first_ack"`
			K         uint64 `json:"time_to_origin_1024ths"`
			MinRTT    int64  `json:"min_rtt_ms"`
			At        int64  `json:"t_ms_after_epoch_start"`
			Bytes     uint64 `json:"second_ack_bytes"`
			Target    uint64 `json:"cubic_target"`
		} `json:"cubic_curve"`
		Stream struct {
			N        uint64 `json:"num_connections"`
			Bytes    uint64 `json:"ack_bytes"`
			Interval int64  `json:"ack_interval_ms"`
			Cwnd     uint64 `json:"cwnd_at_loss"`
			MinRTT   int64  `json:"min_rtt_ms"`
			K        uint64 `json:"time_to_origin_1024ths"`
			Points   []struct {
				I        int64 `json:"ack_index"`
				Cwnd     uint64
				Target   uint64 `json:"cubic_target"`
				Friendly uint64 `json:"tcp_estimate"`
			}
		} `json:"ack_stream"`
	}
	readVectors(t, "cubic", &v)
	if v.CubeFactor != cubicFactor {
		t.Errorf("cube factor %d, want %d", uint64(cubicFactor), v.CubeFactor)
	}
	for _, x := range v.Loss {
		c := cubicCurve{n: x.N}
		one := c.afterLoss(x.Cwnd)
		lastMax := c.lastMax
		two := c.afterLoss(one)
		if one != x.After1 || two != x.After2 || lastMax != x.LastMax || c.lastMax != x.Last2 {
			t.Errorf("loss at %d, n=%d: %d, %d (last max %d, %d), want %d, %d (%d, %d)",
				x.Cwnd, x.N, one, two, lastMax, c.lastMax, x.After1, x.After2, x.LastMax, x.Last2)
		}
	}
	for _, x := range v.Curve {
		c := cubicCurve{n: x.N}
		w := c.afterLoss(x.Cwnd)
		rtt := time.Duration(x.MinRTT) * time.Millisecond
		w1 := c.afterAck(0, MSS, w, rtt)
		friendly, k := c.friendly, c.k
		w2 := c.afterAck(gquic.Instant(x.At*1e6), x.Bytes, w1, rtt)
		// The second ACK is so large that Reno's window passes the curve: look at the curve alone.
		target := c.at(gquic.Instant(x.At*1e6), rtt)
		if w != x.AfterLoss || w1 != x.AfterAck || friendly != x.Friendly || k != x.K || target != x.Target {
			t.Errorf("n=%d t=%d: %d %d friendly %d k %d target %d (window %d), want %+v", x.N, x.At, w, w1, friendly, k, target, w2, x)
		}
	}
	s := v.Stream
	c := cubicCurve{n: s.N}
	w := c.afterLoss(s.Cwnd)
	rtt := time.Duration(s.MinRTT) * time.Millisecond
	i := int64(0)
	for _, p := range s.Points {
		for ; i <= p.I; i++ {
			w = c.afterAck(gquic.Instant(i*s.Interval*1e6), s.Bytes, w, rtt)
		}
		if w != p.Cwnd || c.friendly != p.Friendly {
			t.Errorf("ack %d: window %d, Reno's %d, want %d, %d", p.I, w, c.friendly, p.Cwnd, p.Friendly)
		}
	}
	if c.k != s.K {
		t.Errorf("k %d, want %d", c.k, s.K)
	}
}

func TestHystartVectors(t *testing.T) {
	var v struct {
		Hystart []struct {
			Name    string
			Packets uint64  `json:"cwnd_packets"`
			MinRTT  int64   `json:"min_rtt_us"`
			Samples []int64 `json:"samples_us"`
			Exits   []bool  `json:"exit_after_each_sample"`
			Again   bool    `json:"exit_on_one_more_call"`
		}
		Round map[string]any `json:"hystart_round"`
	}
	readVectors(t, "hystart_prr", &v)
	for _, x := range v.Hystart {
		var h hystart
		for i, s := range x.Samples {
			got := h.exit(10, time.Duration(s)*time.Microsecond, time.Duration(x.MinRTT)*time.Microsecond, x.Packets*MSS)
			if got != x.Exits[i] {
				t.Errorf("%s: sample %d: exit %v", x.Name, i, got)
			}
		}
		// One more sample, without any delay.
		rtt := time.Duration(x.MinRTT) * time.Microsecond
		if got := h.exit(10, rtt, rtt, x.Packets*MSS); got != x.Again {
			t.Errorf("%s: one more: exit %v", x.Name, got)
		}
	}
	h := hystart{started: true, end: wire.PacketNumber(v.Round["round_started_with_last_sent"].(float64))}
	for pn, key := range map[wire.PacketNumber]string{9: "end_of_round_on_ack_9", 10: "end_of_round_on_ack_10", 11: "end_of_round_on_ack_11"} {
		g := h
		g.onAcked(pn)
		if !g.started != v.Round[key] {
			t.Errorf("%s: %v", key, !g.started)
		}
	}
}

func TestPRRVectors(t *testing.T) {
	var v struct {
		Proportional []struct {
			CanSend  bool   `json:"can_send"`
			InFlight uint64 `json:"in_flight"`
			N        int
			SentOne  bool `json:"sent_one"`
		} `json:"prr_proportional"`
		SSRB []struct {
			After   uint64 `json:"in_flight_after"`
			Allowed int    `json:"packets_allowed"`
		} `json:"prr_ssrb"`
	}
	readVectors(t, "hystart_prr", &v)
	const window = 25 * MSS
	var p prr
	p.onLoss(50 * MSS)
	inFlight := uint64(49 * MSS)
	for i, x := range v.Proportional {
		switch {
		case i == 1:
			p.onSent(MSS)
			inFlight += MSS
		case i > 1:
			p.onAcked(MSS)
			inFlight -= MSS
		}
		if i > 0 && inFlight != x.InFlight {
			t.Fatalf("step %d: %d in flight, want %d", i, inFlight, x.InFlight)
		}
		if got := p.canSend(window, inFlight, window); got != x.CanSend {
			t.Errorf("step %d: can send %v", i, got)
		}
		if x.SentOne {
			p.onSent(MSS)
			inFlight += MSS
		}
	}

	p.onLoss(20 * MSS)
	inFlight = 7 * MSS
	for i, x := range v.SSRB {
		if i == 0 {
			if !p.canSend(10*MSS, inFlight, 10*MSS) {
				t.Error("limited transmit refused")
			}
			continue
		}
		p.onAcked(MSS)
		inFlight -= MSS
		sent := 0
		for p.canSend(10*MSS, inFlight, 10*MSS) {
			p.onSent(MSS)
			inFlight += MSS
			sent++
		}
		if sent != x.Allowed || inFlight != x.After {
			t.Errorf("ack %d: %d sent, %d in flight, want %d, %d", i, sent, inFlight, x.Allowed, x.After)
		}
	}
}

func TestPacingRateExamples(t *testing.T) {
	var v struct {
		Rates []struct {
			Cwnd      uint64
			SRTT      int64 `json:"srtt_ms"`
			SlowStart bool  `json:"slow_start"`
			Rate      uint64
		} `json:"pacing_rate_bytes_per_s"`
	}
	readVectors(t, "formula_examples", &v)
	if len(v.Rates) == 0 {
		t.Fatal("no examples")
	}
	for _, x := range v.Rates {
		c := newLossBased(Cubic, Options{InitialWindow: x.Cwnd}.withDefaults(defaultMinWindow))
		if !x.SlowStart {
			c.threshold = c.window
		}
		rtt := recovery.NewRTT(time.Duration(x.SRTT) * time.Millisecond)
		if got := c.PacingRate(&rtt); got != x.Rate {
			t.Errorf("%+v: %d", x, got)
		}
	}
}
