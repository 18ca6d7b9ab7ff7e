package daemon

import (
	"fmt"

	"culvert/internal/config"
	"culvert/internal/mgmt"
)

// Config implements mgmt.Source.
func (s source) Config() (mgmt.Config, error) {
	s.d.mu.Lock()
	c := s.d.cfg
	s.d.mu.Unlock()
	text, err := c.Show()
	if err != nil { // it was read before
		return mgmt.Config{}, fmt.Errorf("show the configuration: %w", err)
	}
	return mgmt.Config{File: c.File, Text: text}, nil
}

// Profiles implements mgmt.Source.
func (s source) Profiles() []mgmt.Profile {
	s.d.mu.Lock()
	c := s.d.cfg
	s.d.mu.Unlock()
	all := make([]mgmt.Profile, 0, len(c.PPPs)+len(c.Profiles))
	for i := range c.PPPs {
		all = append(all, mgmt.Profile{Kind: mgmt.ProfilePPP, Name: c.PPPs[i].Profile})
	}
	for i := range c.Profiles {
		all = append(all, mgmt.Profile{Kind: mgmt.ProfileSession, Name: c.Profiles[i].Name})
	}
	at := make(map[[2]string]*mgmt.Profile, len(all))
	for i := range all {
		at[[2]string{all[i].Kind, all[i].Name}] = &all[i]
	}
	count := func(kind, name string, s *session) {
		if p := at[[2]string{kind, name}]; p != nil {
			if p.Sessions++; s.state() == "up" {
				p.Up++
			}
		}
	}
	s.d.eachSession(func(e *session) {
		if e.cfg.Pseudowire == config.PseudowirePPP {
			count(mgmt.ProfilePPP, e.cfg.PPP.Profile, e)
		}
		if e.circuit != nil && e.circuit.slot.profile != nil {
			count(mgmt.ProfileSession, e.circuit.slot.profile.Name, e)
		}
	})
	return all
}
