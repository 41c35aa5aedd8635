//go:build !linux

package udp

import "net"

// shareAddress is not done here: without a filter that looks at connection IDs, a client
// whose address changes would reach another endpoint.
func shareAddress(*net.UDPAddr, int) ([]*net.UDPConn, error) { return nil, nil }
