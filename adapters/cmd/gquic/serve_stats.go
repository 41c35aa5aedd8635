package main

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/gquic/adapters/udp"
)

// serveStats are what /-/stats shows.
type serveStats struct {
	began    time.Time
	listener *udp.Listener
	requests atomic.Uint64
	active   atomic.Int64

	mu    sync.Mutex
	conns map[*udp.Conn]time.Time // since when
	count uint64
}

func newServeStats() *serveStats {
	return &serveStats{began: time.Now(), conns: make(map[*udp.Conn]time.Time)}
}

// add notes a connection until its end.
func (s *serveStats) add(c *udp.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = time.Now()
	s.count++
	context.AfterFunc(c.Context(), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	})
}

func (s *serveStats) total() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// A connStats is one connection. Rates are over its whole life, in millions of bytes a second.
type connStats struct {
	Remote        string  `json:"remote"`
	Version       string  `json:"version"`
	ServerName    string  `json:"server_name,omitempty"`
	ZeroRTT       bool    `json:"zero_rtt"`
	Seconds       float64 `json:"seconds"`
	Streams       int     `json:"streams"`
	BytesSent     uint64  `json:"bytes_sent"`
	BytesReceived uint64  `json:"bytes_received"`
	SendMBPerS    float64 `json:"send_mb_per_s"`
	ReceiveMBPerS float64 `json:"receive_mb_per_s"`
	PacketsSent   uint64  `json:"packets_sent"`
	PacketsLost   uint64  `json:"packets_lost"`
	RTTms         float64 `json:"rtt_ms"`
	MinRTTms      float64 `json:"min_rtt_ms"`
	Window        uint64  `json:"congestion_window"`
	Controller    string  `json:"controller"`
}

func (s *serveStats) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	type one struct {
		c     *udp.Conn
		since time.Time
	}
	var all []one
	for c, since := range s.conns {
		all = append(all, one{c, since})
	}
	count := s.count
	s.mu.Unlock()
	page := struct {
		Seconds     float64     `json:"seconds"`
		Accepted    uint64      `json:"connections_accepted"`
		Requests    uint64      `json:"requests"`
		Active      int64       `json:"requests_active"`
		Dropped     uint64      `json:"datagrams_dropped"`
		Connections []connStats `json:"connections"`
	}{Seconds: time.Since(s.began).Seconds(), Accepted: count, Requests: s.requests.Load(), Active: s.active.Load(), Connections: []connStats{}}
	if s.listener != nil {
		e := s.listener.Stats()
		page.Dropped = e.Dropped()
	}
	for _, o := range all {
		state := o.c.State()
		st, age := state.Stats, time.Since(o.since).Seconds()
		page.Connections = append(page.Connections, connStats{
			Remote: o.c.RemoteAddr().String(), Version: state.Version.String(), ServerName: state.ServerName, ZeroRTT: st.Hellos == 1,
			Seconds: age, Streams: st.Streams, BytesSent: st.BytesSent, BytesReceived: st.BytesReceived,
			SendMBPerS: perSecond(int64(st.BytesSent), age), ReceiveMBPerS: perSecond(int64(st.BytesReceived), age),
			PacketsSent: st.PacketsSent, PacketsLost: st.PacketsLost, RTTms: milliseconds(st.SmoothedRTT), MinRTTms: milliseconds(st.MinRTT),
			Window: st.CongestionWindow, Controller: st.Controller,
		})
	}
	slices.SortFunc(page.Connections, func(a, b connStats) int { return strings.Compare(a.Remote, b.Remote) })
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(page)
}
