#!/usr/bin/env bash
# Compares packages encap and control with Wireshark: golden packets, packets that encap
# encodes itself and control messages of whole conversations go through tshark, and
# what tshark dissects must equal what the package says, field by field; digests are
# verified, nothing may be malformed or unknown. Prints "N passed, N failed"; fails when
# anything does and when tshark or text2pcap is missing.
#
# usage: scripts/golden.sh [-v]        -v: name every packet
set -euo pipefail
cd "$(dirname "$0")/.."

verbose=0
[ "${1:-}" = "-v" ] && verbose=1

for tool in tshark text2pcap go; do
	command -v "$tool" >/dev/null || { echo "golden: $tool is not installed" >&2; exit 1; }
done

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

for package in encap control; do
	out=$dir/$package
	mkdir "$out"
	CULVERT_GOLDEN_OUT=$out go test ./$package -count=1 -run '^TestWriteGolden$' >"$dir/go.log" 2>&1 || {
		cat "$dir/go.log" >&2
		exit 1
	}
	[ -s "$out/fields" ] || { echo "golden: TestWriteGolden of $package wrote nothing" >&2; cat "$dir/go.log" >&2; exit 1; }
done

# compare WANT GOT FIELDS: one line per packet in each. Cells of WANT after the
# name: "=x" equal, "^x" a protocol stack beginning with x, "*" not compared.
compare() {
	awk -F'\t' -v verbose="$verbose" -v fieldfile="$3" -v gotfile="$2" '
	BEGIN { while ((getline name < fieldfile) > 0) field[++n] = name }
	{
		bad = ""
		if ((getline line < gotfile) <= 0) bad = "  no packet from tshark\n"
		else {
			split(line, got, "\t")
			for (i = 1; i <= n; i++) {
				kind = substr($(i + 1), 1, 1); want = substr($(i + 1), 2)
				if (kind == "=") ok = got[i] == want
				else if (kind == "^") ok = index(got[i] ":", want ":") == 1
				else ok = kind == "*"
				if (!ok) bad = bad sprintf("  %s: we %s, tshark %s\n", field[i], want, got[i])
			}
		}
		if (bad == "") { passed++; if (verbose) print "ok   " $1 > "/dev/stderr" }
		else { failed++; printf "FAIL %s\n%s", $1, bad > "/dev/stderr" }
	}
	END {
		while ((getline line < gotfile) > 0) { failed++; print "FAIL more packets from tshark" > "/dev/stderr" }
		print passed + 0, failed + 0
	}' "$1"
}

passed=0 failed=0
for want in "$dir"/*/*.want; do
	base=${want%.want}
	fields=()
	while read -r field; do
		fields+=(-e "$field")
	done <"${want%/*}/fields"
	mapfile -t options <"$base.options"
	text2pcap -q -l 101 "$base.txt" "$base.pcap" 2>>"$dir/tools.log" &&
		tshark -n -r "$base.pcap" "${options[@]}" \
			-o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -o tcp.check_checksum:TRUE \
			-T fields "${fields[@]}" >"$base.got" 2>>"$dir/tools.log" || {
		echo "golden: ${base##*/}: tshark or text2pcap failed" >&2
		cat "$dir/tools.log" >&2
		exit 1
	}
	read -r p f < <(compare "$want" "$base.got" "${want%/*}/fields")
	passed=$((passed + p)) failed=$((failed + f))
done

echo "golden: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
