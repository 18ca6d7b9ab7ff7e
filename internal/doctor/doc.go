// Package doctor looks at a host and says what stands in the way of culvert: what is wrong now, and what will be from
// how many sessions on, each with a remedy. It only reads, and needs no privileges for most of it.
//
// Sources: proc_sys_net(5) (ip-sysctl.rst, nf_conntrack-sysctl.rst), proc_pid_limits(5), capabilities(7),
// netlink(7) and /proc/net/netlink (net/netlink/af_netlink.c), cgroup v2's memory.max (cgroup-v2.rst),
// Documentation/networking/tuntap.rst.
package doctor
