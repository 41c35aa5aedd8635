// Package congestion says how much may be in flight, and how fast it may leave.
//
// A [Controller] is told of every packet sent and of every report of the loss
// detector, and answers with a window in bytes and a rate. There are three: Cubic
// and NewReno, which share slow start, HyStart, proportional rate reduction and the
// accounting of loss events, and BBR, which models the path instead. A [Pacer] spreads
// packets over time at the controller's rate.
//
//	Detector.Sent ──▶ OnSent ──┐                     ┌── Window, CanSend ──▶ may send?
//	Detector.Ack ───▶ OnReport ┼──▶  Controller  ──▶─┤
//	nothing to send ▶ OnAppLimited                   └── PacingRate ─▶ Pacer ─▶ when?
//
// Everything is integer arithmetic: equal inputs give equal windows on every machine.
//
// (Reference: connection, sections 7 to 9.)
package congestion
