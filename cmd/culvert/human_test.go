package main

import "testing"

func TestCells(t *testing.T) {
	if got := size(1_234_567); got != "1.23MB" {
		t.Errorf("size: %s", got)
	}
	if cell("") != "-" || cell(0) != "0" || cell("\x1b[2J") != `\x1b[2J` {
		t.Error("cells")
	}
}
