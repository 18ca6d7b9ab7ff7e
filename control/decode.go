package control

// Decoder says how AVPs that are not plain are read.
type Decoder struct {
	// Keys reveals hidden AVPs; nil when there is no shared secret, then they cannot be read.
	Keys *Keys
	// Vendor is asked about AVPs of vendors (Extended Vendor ID too, RFC 3931 section 5.1): true says that it
	// understood one, so that the M bit does not matter. vendor has 32 bits, a is revealed and shares the packet's
	// memory. May be nil.
	Vendor func(t MessageType, vendor uint32, a AVP) bool
	// Strict refuses messages without an AVP that must be there, however little it matters.
	Strict bool
}

// Decode reads the AVPs of a message whose digest has been checked. Where something is wrong it returns the first
// error together with all that could be read: the ids are needed to answer. Errors: ErrMessageType,
// ErrUnknownMessage, and *AVPError, which wraps ErrMissingAVP or one of the AVP errors.
func (p Packet) Decode(d Decoder) (Message, error) {
	t, mandatory, ok := p.Type()
	if !ok {
		return Message{}, ErrMessageType
	}
	m := Message{Type: t, Optional: t != ZLB && !mandatory}
	if t == ZLB {
		return m, nil
	}
	if !t.known() {
		if mandatory {
			return m, ErrUnknownMessage
		}
		return m, nil
	}
	r := reader{m: &m, d: d}
	for rest := p.raw[firstDigest:]; len(rest) > 0; {
		a, n, err := ParseAVP(rest)
		if err != nil { // what follows cannot be told apart any more
			r.fail(AVP{Mandatory: true}, err)
			return m, r.err
		}
		r.take(a)
		rest = rest[n:]
	}
	r.required()
	return m, r.err
}

// reader collects the AVPs of one message.
type reader struct {
	m      *Message
	d      Decoder
	vector []byte // of the nearest Random Vector AVP before
	err    error
}

// fail notes the first error of an AVP with M; one without M counts as absent (RFC 3931 section 7.1).
func (r *reader) fail(a AVP, err error) {
	if !a.Mandatory {
		r.m.Ignored++
		return
	}
	if r.err == nil {
		r.err = &AVPError{a.Vendor, a.Type, err}
	}
}

func (r *reader) take(a AVP) {
	if a.Vendor == 0 {
		switch a.Type {
		case AVPRandomVector:
			if r.vector = a.Value; len(a.Value) == 0 || a.Hidden {
				r.vector = nil
				r.fail(a, ErrAVPLength)
			}
			return
		case AVPMessageDigest: // dealt with before
			return
		}
	}
	if a.Hidden {
		if r.d.Keys == nil || r.vector == nil {
			r.fail(a, ErrAVPHidden)
			return
		}
		v, err := Reveal(a.Type, r.d.Keys.hide, r.vector, a.Value)
		if err != nil {
			r.fail(a, err)
			return
		}
		a.Value, a.Hidden = v, false
	}
	if a.Vendor != 0 || a.Type == AVPExtendedVendorID {
		r.vendor(a)
		return
	}
	r.known(a)
}

// vendor passes an AVP of a vendor to the hook.
func (r *reader) vendor(a AVP) {
	vendor := uint32(a.Vendor)
	inner := a
	if a.Vendor == 0 { // Extended Vendor ID, RFC 3931 section 5.1
		if len(a.Value) < 6 {
			r.fail(a, ErrAVPLength)
			return
		}
		v := a.Value
		vendor = uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3])
		inner.Type, inner.Value = AVPType(v[4])<<8|AVPType(v[5]), v[6:]
	}
	if r.d.Vendor != nil && r.d.Vendor(r.m.Type, vendor, inner) {
		return
	}
	r.unknown(a)
}

func (r *reader) unknown(a AVP) { r.fail(a, ErrAVPUnknown) }

func (r *reader) known(a AVP) {
	i := rowOf(a.Type)
	switch {
	case i < 0 && !harmless(a.Type):
		r.unknown(a)
		return
	case i < 0, !(registry[i].must | registry[i].may).has(r.m.Type), r.m.has&(1<<i) != 0:
		r.m.Ignored++
		return
	}
	if err := registry[i].parse(r.m, a.Value); err != nil {
		r.fail(a, err)
		return
	}
	r.m.has |= 1 << i
}

// required looks for what is missing.
func (r *reader) required() {
	for i := range registry {
		need := registry[i].vital
		if r.d.Strict {
			need |= registry[i].must
		}
		if need.has(r.m.Type) && r.m.has&(1<<i) == 0 && r.err == nil {
			r.err = &AVPError{0, registry[i].typ, ErrMissingAVP}
		}
	}
}
