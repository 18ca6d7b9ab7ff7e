package main

import (
	"cmp"
	"debug/elf"
	"fmt"
	"slices"
)

// symbols are the functions of an executable at fixed addresses, as Go makes them without -buildmode=pie.
type symbols struct {
	byAddress []elf.Symbol
}

func readSymbols(path string) (*symbols, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Type != elf.ET_EXEC {
		return nil, fmt.Errorf("%s: not at fixed addresses: build it without -buildmode=pie", path)
	}
	all, err := f.Symbols()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s := &symbols{}
	for _, sym := range all {
		if elf.ST_TYPE(sym.Info) == elf.STT_FUNC {
			s.byAddress = append(s.byAddress, sym)
		}
	}
	slices.SortFunc(s.byAddress, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	return s, nil
}

// address is where a function begins.
func (s *symbols) address(name string) (uint64, bool) {
	i := slices.IndexFunc(s.byAddress, func(sym elf.Symbol) bool { return sym.Name == name })
	if i < 0 {
		return 0, false
	}
	return s.byAddress[i].Value, true
}

// function is the name of the function that holds an address.
func (s *symbols) function(addr uint64) string {
	i, exact := slices.BinarySearchFunc(s.byAddress, addr, func(sym elf.Symbol, a uint64) int { return cmp.Compare(sym.Value, a) })
	if !exact {
		i--
	}
	if i < 0 || addr >= s.byAddress[i].Value+max(s.byAddress[i].Size, 1) {
		return "?"
	}
	return s.byAddress[i].Name
}
