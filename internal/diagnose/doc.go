// Package diagnose says what is wrong with a tunnel, from what was seen of it for a few seconds: counters before and after,
// and packets of the underlay as they passed, dropped ones among them. It is pure: whoever runs the tunnel watches, and
// hands over a [Tunnel]; [Look] gives findings, each with what is wrong, the evidence, and what to do.
//
// Packets of L2TPv3 do not describe themselves (RFC 3931 section 4.1): how long cookie and sublayer are only the two ends
// know. Where packets make no sense as configured, they are read with all other lengths (0, 4 or 8 bytes of cookie, with
// and without the Default L2-Specific Sublayer) and as the other kinds of pseudowire, and the reading counts under which
// most of them are frames of protocols that we know. Values of cookies are never shown.
package diagnose
