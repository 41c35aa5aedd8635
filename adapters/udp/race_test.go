//go:build race

package udp

// raceDetector: the detector has pools drop what they hold.
const raceDetector = true
