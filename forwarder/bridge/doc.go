// Package bridge decides where Ethernet frames go between one device and many sessions: a learning bridge whose table any
// number of loops look into, without a lock and without waiting, while one of them learns.
//
// # Rules
//
// A frame's source is learnt at the port that it came from, in the VLAN of its outermost tag (untagged and priority-tagged
// ones in VLAN 0), so that each VLAN has its own addresses. A frame goes to the port of its destination; a group address,
// or one that nobody has shown, goes to all ports but its own. Two ports that are isolated never exchange frames, which
// is the split horizon of a VPLS mesh (RFC 4664 section 3.4.1, RFC 4762 section 4.4) and what access networks do with
// subscribers. The device is never isolated. An address that shows at another port has moved there.
//
// # Bounds
//
// A port has a limit of addresses, the table another one. What is over is not learnt and counted; its frames pass all the
// same, and those to it are flooded. An address that nobody has sent from for the ageing time is forgotten.
//
// # How it works
//
// The table is a hash table with open addressing of pointers to entries. An entry's address and VLAN never change; its
// port and the tick in which it was last seen are atomics. A frame whose source is where it was costs two look-ups and no
// write, but for one store a tick. Learning takes a lock, if it is free: who finds another one learning goes on, and
// learns with its next frame. A full table is replaced by one of twice the size, while readers use the old one.
//
// There is no clock: who owns the bridge tells it the time (Age), some 16 times in the ageing time.
//
// # Supported standards
//
//   - IEEE 802.1Q-2018 sections 8.6 (forwarding), 8.7 (learning), 8.8 (filtering database, independent learning) and
//     8.6.3 (reserved group addresses); no spanning tree, no snooping
//   - RFC 4664, RFC 4762: flooding, learning and split horizon of a VPLS
//
// # Ownership and concurrency
//
// Decide, Each and Reaches may be called by any goroutine at any time. All else excludes each other by a lock inside, and
// may be called by any goroutine, too.
package bridge
