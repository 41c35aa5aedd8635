package sim

import (
	"fmt"
	"strings"
	"time"

	"example.com/gquic"
)

// The measures of a picture, in pixels.
const (
	plotLeft, plotRight = 90, 30
	plotWidth           = 1180
	plotTop, plotGap    = 64, 46
	plotHeight          = 190
)

// Colours that are told apart also by those who see few: of the flows in turn.
var palette = [maxDrawnFlows]string{"#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7f7f00", "#444444"}

// A plot is a picture in the making.
type plot struct {
	b    strings.Builder
	rec  *Recording
	y    int // top of the panel at hand
	most int64
	base int64 // the value at the panel's bottom
}

// SVG draws the run: the first flow's time-sequence diagram, every flow's window and
// bytes in flight, round trip and goodput, and the queues, one below the other over one axis
// of time.
func (rec *Recording) SVG() []byte {
	p := &plot{rec: rec}
	panels := 5
	height := plotTop + panels*(plotHeight+plotGap)
	fmt.Fprintf(&p.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="13">`+"\n",
		plotLeft+plotWidth+plotRight, height, plotLeft+plotWidth+plotRight, height)
	fmt.Fprintf(&p.b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	title := rec.scenario.Title
	if title == "" {
		title = rec.scenario.File
	}
	part := formatTime(time.Duration(rec.end))
	if rec.From > 0 || rec.To > 0 {
		part = formatTime(rec.From) + " to " + part
	}
	fmt.Fprintf(&p.b, `<text x="%d" y="24" font-size="18" font-weight="bold">%s</text><text x="%d" y="24" text-anchor="end" fill="#555">seed %d, %s</text>`+"\n",
		plotLeft, escape(title), plotLeft+plotWidth, rec.seed, part)
	p.y = plotTop
	p.sequence()
	p.windows()
	p.roundTrips()
	p.queues()
	p.goodput()
	p.b.WriteString("</svg>\n")
	return []byte(p.b.String())
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// x is where an instant lies.
func (p *plot) x(t gquic.Instant) float64 {
	from := gquic.Instant(p.rec.From)
	return plotLeft + float64(plotWidth)*float64(t-from)/float64(p.rec.end-from)
}

// yOf is where a value lies in the panel at hand.
func (p *plot) yOf(v int64) float64 {
	v = max(min(v, p.most), p.base)
	return float64(p.y+plotHeight) - float64(plotHeight)*float64(v-p.base)/float64(p.most-p.base)
}

// A legend names a line.
type legend struct{ text, colour, style string }

// begin draws a panel's frame, its axes up to most, the faults, and the legends.
func (p *plot) begin(title string, most int64, format func(int64) string, legends []legend) {
	step := niceStep(max(most-p.base, 1), 4)
	p.base = p.base / step * step
	p.most = max((most+step-1)/step*step, p.base+step)
	p.outages()
	for v := p.base; v <= p.most; v += step {
		y := p.yOf(v)
		fmt.Fprintf(&p.b, `<path d="M%d %.1fh%d" stroke="#e4e4e4"/><text x="%d" y="%.1f" text-anchor="end" fill="#444">%s</text>`+"\n",
			plotLeft, y, plotWidth, plotLeft-8, y+4.5, format(v))
	}
	from := int64(p.rec.From)
	step = niceStep(int64(p.rec.end)-from, 10)
	for t := (from + step - 1) / step * step; t <= int64(p.rec.end); t += step {
		x := p.x(gquic.Instant(t))
		fmt.Fprintf(&p.b, `<path d="M%.1f %dv%d" stroke="#e4e4e4"/><text x="%.1f" y="%d" text-anchor="middle" fill="#444">%s</text>`+"\n",
			x, p.y, plotHeight, x, p.y+plotHeight+16, time.Duration(t))
	}
	p.faults()
	fmt.Fprintf(&p.b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#999"/>`+"\n", plotLeft, p.y, plotWidth, plotHeight)
	fmt.Fprintf(&p.b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", plotLeft, p.y-8, escape(title))
	x := float64(plotLeft + plotWidth)
	for i := len(legends) - 1; i >= 0; i-- {
		l := legends[i]
		x -= 7.6*float64(len([]rune(l.text))) + 8
		fmt.Fprintf(&p.b, `<text x="%.1f" y="%d" fill="#333">%s</text><path d="M%.1f %dh22" stroke="%s" stroke-width="3" %s/>`+"\n",
			x, p.y-8, escape(l.text), x-28, p.y-12, l.colour, l.style)
		x -= 42
	}
}

// niceStep returns a round step, so that there are about so many steps up to most: 1, 2 or
// 5 times a power of ten.
func niceStep(most int64, steps int64) int64 {
	step := int64(1)
	for {
		for _, m := range []int64{1, 2, 5} {
			if step*m*steps >= most {
				return step * m
			}
		}
		step *= 10
	}
}

// outages shades them: it comes before what is drawn over it.
func (p *plot) outages() {
	for _, f := range p.rec.scenario.Faults {
		f.times(time.Duration(p.rec.end), func(t gquic.Instant) {
			from, until := gquic.Instant(p.rec.From), min(t.Add(f.For), p.rec.end)
			if f.Verb == "outage" && until > from {
				x := p.x(max(t, from))
				fmt.Fprintf(&p.b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#f6dcdc"/>`+"\n", x, p.y, p.x(until)-x, plotHeight)
			}
		})
	}
}

// faults marks what else was done to the world, over the grid, and names it where there is room.
func (p *plot) faults() {
	const colour = "#8800aa"
	room := -1.0 // where the last name ends
	for _, f := range p.rec.scenario.Faults {
		f.times(time.Duration(p.rec.end), func(t gquic.Instant) {
			if f.Verb == "outage" || t < gquic.Instant(p.rec.From) {
				return
			}
			x, label := p.x(t), f.Verb+" "+f.Target
			fmt.Fprintf(&p.b, `<path d="M%.1f %dv%d" stroke="%s" stroke-width="1.6" stroke-dasharray="7 4"/><path d="M%.1f %dh10l-5 8z" fill="%s"/>`+"\n",
				x, p.y, plotHeight, colour, x-5, p.y, colour)
			if end := x + 8 + 6.5*float64(len(label)); x > room && end < plotLeft+plotWidth {
				fmt.Fprintf(&p.b, `<text x="%.1f" y="%d" font-size="11" fill="%s">%s</text>`+"\n", x+7, p.y+11, colour, escape(label))
				room = end
			}
		})
	}
}

func (p *plot) end() {
	p.y += plotHeight + plotGap
	p.base = 0
}

// line draws samples; gaps where they are zero, if so wanted.
func (p *plot) line(v []int64, colour, style string, gaps bool) {
	down, x0, y0 := false, 0.0, 0.0
	open := false
	for i, t := range p.rec.at {
		if gaps && v[i] == 0 {
			down = false
			continue
		}
		x, y := p.x(t), p.yOf(v[i])
		switch {
		case !down:
			if open {
				p.b.WriteString(`"/>` + "\n")
			}
			fmt.Fprintf(&p.b, `<path fill="none" stroke="%s" stroke-width="1.5" stroke-linejoin="round" %s d="M%.1f %.1f`, colour, style, x, y)
			open = true
		case i < len(p.rec.at)-1 && x-x0 < 0.4 && y-y0 < 0.4 && y0-y < 0.4:
			continue
		case x-x0 > 3: // nothing happened for long: the value stayed
			fmt.Fprintf(&p.b, "H%.1fV%.1f", x, y)
		default:
			fmt.Fprintf(&p.b, "L%.1f %.1f", x, y)
		}
		down, x0, y0 = true, x, y
	}
	if open {
		p.b.WriteString(`"/>` + "\n")
	}
}

func most(lists ...[]int64) (n int64) {
	for _, v := range lists {
		for _, x := range v {
			n = max(n, x)
		}
	}
	return n
}

// bytesFormat prints bytes in the unit that fits most.
func bytesFormat(most int64) func(int64) string {
	unit, name := int64(1), "B"
	switch {
	case most >= 10e6:
		unit, name = 1e6, "MB"
	case most >= 2e3:
		unit, name = 1e3, "kB"
	}
	return func(v int64) string {
		if v%unit == 0 {
			return fmt.Sprintf("%d %s", v/unit, name)
		}
		return fmt.Sprintf("%.1f %s", float64(v)/float64(unit), name)
	}
}

// sequence is the time-sequence diagram of the first flow.
func (p *plot) sequence() {
	rec := p.rec
	top := most(rec.first.sent, rec.flows[0].read)
	if len(rec.at) > 0 {
		p.base = rec.flows[0].read[0]
	}
	p.begin("Time and sequence, "+rec.flows[0].name, top, bytesFormat(top), []legend{
		{"sent", "#0072b2", ""}, {"read, in order", "#009e73", `stroke-dasharray="5 3"`}, {"sent again", "#d00000", `stroke-dasharray="3 2"`},
	})
	p.line(rec.first.sent, "#0072b2", "", false)
	p.line(rec.flows[0].read, "#009e73", `stroke-dasharray="5 3"`, false)
	lastX, lastY := -1.0, -1.0
	for _, m := range rec.marks {
		if m.queue {
			continue
		}
		if x, y := p.x(m.at), p.yOf(m.place); x-lastX > 0.5 || y-lastY > 0.5 || lastY-y > 0.5 {
			fmt.Fprintf(&p.b, `<circle cx="%.1f" cy="%.1f" r="1.2" fill="#d00000"/>`+"\n", x, y)
			lastX, lastY = x, y
		}
	}
	p.end()
}

// windows is every flow's congestion window, and of a single flow what is in flight.
func (p *plot) windows() {
	rec := p.rec
	var top int64
	for i := range rec.flows {
		top = max(top, most(rec.flows[i].window, rec.flows[i].inFlight))
	}
	if len(rec.flows) == 1 {
		f := &rec.flows[0]
		p.begin("Congestion window, bytes in flight", top, bytesFormat(top), []legend{{"window", palette[5], ""}, {"in flight", palette[0], ""}})
		p.line(f.inFlight, palette[0], `opacity="0.75"`, false)
		p.line(f.window, palette[5], "", true)
	} else {
		p.begin("Congestion window", top, bytesFormat(top), p.flowLegends())
		for i := range rec.flows {
			p.line(rec.flows[i].window, palette[i], "", true)
		}
	}
	p.end()
}

func (p *plot) flowLegends() (all []legend) {
	for i := range p.rec.flows {
		all = append(all, legend{p.rec.flows[i].name, palette[i], ""})
	}
	return all
}

func (p *plot) roundTrips() {
	rec := p.rec
	var top int64
	for i := range rec.flows {
		top = max(top, most(rec.flows[i].srtt, rec.flows[i].latest))
	}
	format := func(v int64) string { return time.Duration(v).String() }
	if len(rec.flows) == 1 {
		p.begin("Round trip", top, format, []legend{{"latest", "#aaaaaa", ""}, {"smoothed", palette[0], ""}})
		p.line(rec.flows[0].latest, "#aaaaaa", "", true)
		p.line(rec.flows[0].srtt, palette[0], "", true)
	} else {
		p.begin("Round trip, smoothed", top, format, p.flowLegends())
		for i := range rec.flows {
			p.line(rec.flows[i].srtt, palette[i], "", true)
		}
	}
	p.end()
}

// queues is what waits at each link with a rate, and what was lost there.
func (p *plot) queues() {
	rec := p.rec
	var top int64
	var legends []legend
	for i := range rec.queues {
		top = max(top, most(rec.queues[i].bytes))
		if i < maxDrawnFlows {
			legends = append(legends, legend{rec.queues[i].name, palette[i], ""})
		}
	}
	legends = append(legends, legend{"lost", "#d00000", `stroke-dasharray="2 3"`})
	p.begin("Queues", top, bytesFormat(top), legends)
	for i := range rec.queues {
		if i < maxDrawnFlows {
			p.line(rec.queues[i].bytes, palette[i], "", false)
		}
	}
	last := -1.0
	for _, m := range rec.marks {
		if x := p.x(m.at); m.queue && x-last > 0.5 {
			fmt.Fprintf(&p.b, `<path d="M%.1f %dv10" stroke="#d00000"/>`+"\n", x, p.y)
			last = x
		}
	}
	p.end()
}

// goodput is what every flow's reader got, over pieces of the run.
func (p *plot) goodput() {
	rec := p.rec
	const pieces = 120
	width := max((rec.end-gquic.Instant(rec.From))/pieces, 1)
	rates := make([][]int64, len(rec.flows))
	for i := range rec.flows {
		rates[i] = make([]int64, len(rec.at))
		from, before := 0, int64(0)
		if len(rec.at) > 0 {
			before = rec.flows[i].read[0]
		}
		for j, t := range rec.at {
			for rec.at[from].Add(time.Duration(width)) < t {
				before = rec.flows[i].read[from]
				from++
			}
			if us := t.Sub(rec.at[max(from-1, 0)]).Microseconds(); us > 0 {
				rates[i][j] = (rec.flows[i].read[j] - before) * 8_000_000 / max(us, time.Duration(width).Microseconds())
			}
		}
	}
	p.begin("Goodput", most(rates...), func(v int64) string {
		if v >= 1e6 || v == 0 {
			return fmt.Sprintf("%g Mbit/s", float64(v)/1e6)
		}
		return fmt.Sprintf("%g kbit/s", float64(v)/1e3)
	}, p.flowLegends())
	for i := range rec.flows {
		p.line(rates[i], palette[i], "", false)
	}
	p.end()
}
