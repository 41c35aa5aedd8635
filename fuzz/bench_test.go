package fuzz

import "testing"

// BenchmarkSchedule measures one input of FuzzSchedule, for each scenario.
func BenchmarkSchedule(b *testing.B) {
	for i := range scenarios {
		b.Run(scenarios[i].name, func(b *testing.B) {
			base := scenarios[i].world()
			script := schedule(uint32(i)+7, 200)
			for b.Loop() {
				w := base.Clone()
				for in := NewInput(script); !in.Empty(); {
					w.step(in)
					if err := w.Check(); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Finish(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
