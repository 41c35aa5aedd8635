#!/bin/bash -eu
# Builds every target for the engine. The targets are found by name, so a new one
# needs no change here. Seeds are added by the targets themselves (f.Add).
cd "$SRC/gquic"
go install github.com/AdamKorcz/go-118-fuzz-build@latest
go get github.com/AdamKorcz/go-118-fuzz-build/testing
for package in fuzz adapters/h2; do
	for target in $(grep -ho '^func Fuzz[A-Za-z]*' $package/*_test.go | sed 's/^func //' | sort -u); do
		compile_native_go_fuzzer_v2 "example.com/gquic/$package" "$target" "fuzz_$(echo "${target#Fuzz}" | tr '[:upper:]' '[:lower:]')"
	done
done
