//go:build !linux

package bench

import (
	"errors"
	"os/exec"
)

func startPinned(*exec.Cmd) error { return errors.New("pinning to one core works on Linux only") }
