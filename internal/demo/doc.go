// Package demo is `culvert demo`: two culvert processes, a LAC and an LNS, in two network namespaces joined by a
// veth, with one PPP pseudowire over UDP, one Ethernet pseudowire over IP protocol 115, and a dynamic tunnel over the latter
// with another PPP pseudowire between them. It waits until all carry traffic, pings IPv4 and IPv6 and moves TCP through each, prints a table, and leaves nothing behind.
// No other program is needed.
//
// # How it works
//
// The namespaces have no name. Each is held by one OS thread of ours (internal/netlab) that does whatever has to
// happen inside: opening sockets, configuring links, starting culvert (a process is born in the namespace of the
// thread that starts it). Once a socket is open, any goroutine may use it: its namespace stays. When the threads and
// the processes are gone, so are the namespaces with all that was in them, even after SIGKILL: the processes are
// bound to their thread by PR_SET_PDEATHSIG (prctl(2)).
//
// Where we may not make a namespace, the whole demo runs again inside a user namespace (user_namespaces(7)) in which
// it may. That needs no rights but a /dev/net/tun that can be opened.
//
// The configurations are those of the examples folder, but for the path of the API socket. What is measured follows
// from them: addresses, device names and the pairing of the sessions are read, not assumed.
//
// # Ownership and concurrency
//
// Run may be called once at a time per process. It ends when its context does, after cleaning up.
package demo
