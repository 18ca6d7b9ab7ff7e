// Package scale measures how many sessions two culverts carry: named TUN devices, PPP with IPCP open, one dynamic L2TPv3
// tunnel between two network namespaces, both ends as processes of their own with templates for configuration.
//
// Run ramps the sessions up, sends a packet with the session's number through each and checks that it comes out of that
// session and no other, and measures on the way: memory of the processes and of the kernel, the rate of set-up, what LCP
// echoes and listing all sessions cost, CPU time a packet with one session and with all of them, and the teardown.
//
// What the kernel uses is by how much its own memory (Slab, Percpu, PageTables and KernelStack of proc_meminfo(5)) has
// grown since the start, and half of that is one end's. So the machine should do nothing else meanwhile.
package scale
