package sim

// Words returns every word of the scenarios' language.
func Words() (all []string) {
	for word := range statements {
		all = append(all, word)
	}
	for _, s := range linkSettings {
		all = append(all, s.key)
	}
	for _, s := range hostSettings {
		all = append(all, s.key)
	}
	for _, s := range flowSettings {
		all = append(all, s.key)
	}
	for _, m := range metrics {
		all = append(all, m.name)
	}
	return append(all, "outage", "set", "rebind", "move", "jump")
}
