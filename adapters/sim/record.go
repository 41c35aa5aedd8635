package sim

import "example.com/gquic/conn"

// A Recording is what is drawn of a run.
type Recording struct{}

func (rec *Recording) watch(host string, c *conn.Config) {}
func (rec *Recording) attach(st *stage)                  {}
func (rec *Recording) sample(st *stage)                  {}
func (rec *Recording) finish(st *stage)                  {}
