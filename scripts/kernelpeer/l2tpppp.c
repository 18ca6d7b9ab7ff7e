/*
 * l2tpppp: makes a static L2TP tunnel and a PPP session in the Linux kernel and runs pppd on it.
 *
 * `ip l2tp` only makes Ethernet sessions.  Here the tunnel socket (UDP or IP protocol 115) is opened in
 * user space and given to the kernel over generic netlink (L2TP_CMD_TUNNEL_CREATE with L2TP_ATTR_FD), the
 * session is made with pseudowire type PPP (L2TP_CMD_SESSION_CREATE: cookies, L2-specific sublayer,
 * sequence numbers), and an AF_PPPOX/PX_PROTO_OL2TP socket is connected to it, which pppd's pppol2tp.so
 * takes as `pppol2tp FD`.  This process stays, holding the sockets (the tunnel lives as long as its socket),
 * reads away what the kernel hands up on the tunnel socket (control messages), passes TERM/INT/HUP on to
 * the child and exits with its code.  Killed outright it takes the child with it, so that `kill -9` of this one
 * process is a peer that vanishes without a goodbye.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/genetlink.h>
#include <linux/if_pppox.h>
#include <linux/l2tp.h>
#include <linux/netlink.h>

#ifndef IPPROTO_L2TP
#define IPPROTO_L2TP 115
#endif

static void die(const char *fmt, ...)
{
	int e = errno;
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "l2tpppp: ");
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, e ? ": %s\n" : "\n", strerror(e));
	exit(120);
}

/* ---- a very small generic netlink ---- */

struct req {
	struct nlmsghdr n;
	struct genlmsghdr g;
	char attrs[512];
};

static int nl = -1;
static uint32_t nlseq;

static void attr(struct req *r, int type, const void *data, size_t len)
{
	struct nlattr *a = (void *)((char *)r + NLMSG_ALIGN(r->n.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy((char *)a + NLA_HDRLEN, data, len);
	r->n.nlmsg_len = NLMSG_ALIGN(r->n.nlmsg_len) + NLA_ALIGN(a->nla_len);
}
static void attr8(struct req *r, int t, uint8_t v) { attr(r, t, &v, 1); }
static void attr16(struct req *r, int t, uint16_t v) { attr(r, t, &v, 2); }
static void attr32(struct req *r, int t, uint32_t v) { attr(r, t, &v, 4); }

static struct req request(int family, int cmd, int version)
{
	struct req r;

	memset(&r, 0, sizeof r);
	r.n.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	r.n.nlmsg_type = family;
	r.n.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	r.n.nlmsg_seq = ++nlseq;
	r.g.cmd = cmd;
	r.g.version = version;
	return r;
}

/* Sends r and waits for its acknowledgement; *family is set when the answer holds CTRL_ATTR_FAMILY_ID. */
static int transact(struct req *r, uint16_t *family)
{
	char buf[8192];
	ssize_t n;

	if (send(nl, r, r->n.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		n = recv(nl, buf, sizeof buf, 0);
		if (n < 0)
			return -errno;
		for (struct nlmsghdr *h = (void *)buf; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_seq != r->n.nlmsg_seq)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			char *p = (char *)NLMSG_DATA(h) + GENL_HDRLEN, *end = (char *)h + h->nlmsg_len;
			while (family && p + NLA_HDRLEN <= end) {
				struct nlattr *a = (void *)p;

				if (a->nla_len < NLA_HDRLEN)
					break;
				if ((a->nla_type & NLA_TYPE_MASK) == CTRL_ATTR_FAMILY_ID)
					memcpy(family, p + NLA_HDRLEN, 2);
				p += NLA_ALIGN(a->nla_len);
			}
		}
	}
}

static int l2tp_family(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	struct timeval tv = { .tv_sec = 5 };
	uint16_t id = 0;
	struct req r;
	int e;

	nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl < 0 || bind(nl, (void *)&sa, sizeof sa))
		die("netlink socket");
	setsockopt(nl, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	r = request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	attr(&r, CTRL_ATTR_FAMILY_NAME, L2TP_GENL_NAME, sizeof L2TP_GENL_NAME);
	e = transact(&r, &id);
	if (e || !id) {
		errno = -e;
		die("the kernel has no generic netlink family l2tp (module l2tp_netlink)");
	}
	return id;
}

/* ---- options ---- */

static int version = 3, encap_ip, connect_only, no_tunnel, hold, seqsend, seqrecv, lns;
static int l2spec = L2TP_L2SPECTYPE_NONE;
static const char *laddr, *raddr;
static uint16_t sport = 1701, dport = 1701;
static uint32_t tid, ptid, sid, psid;
static uint8_t cookie[8], pcookie[8];
static int cookielen, pcookielen;

static uint32_t number(const char *s, const char *what, uint32_t max)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (*s == 0 || *end || errno || v > max) {
		errno = 0;
		die("%s is not a number for %s", s, what);
	}
	return v;
}

static int hex(const char *s, uint8_t *out)
{
	size_t n = strlen(s);

	errno = 0;
	if (n != 8 && n != 16)
		die("a cookie has 8 or 16 hexadecimal digits: %s", s);
	for (size_t i = 0; i < n; i += 2) {
		unsigned b;

		if (sscanf(s + i, "%2x", &b) != 1)
			die("not hexadecimal: %s", s);
		out[i / 2] = b;
	}
	return n / 2;
}

static void usage(void)
{
	fputs("l2tpppp --local A --remote A --tid N --ptid N --sid N --psid N [options] -- PPPD-OPTIONS...\n"
	      "  --encap udp|ip     default udp      --sport N --dport N   default 1701\n"
	      "  --version 2|3      default 3        --cookie HEX (sent)   --peer-cookie HEX (expected)\n"
	      "  --l2spec none|default  default none --seq none|send|recv|both\n"
	      "  --lns              LNS mode (kernel decides on sequence numbers)\n"
	      "  --connect-only     no netlink: tunnel and session by connect() alone (no cookies, UDP only)\n"
	      "  --no-tunnel        the tunnel exists already (ip l2tp add tunnel)\n"
	      "  --exec             what follows -- is a whole command; {} in it becomes the session socket's fd\n"
	      "  --hold             run nothing, keep the session until a signal\n", stderr);
	exit(120);
}

/* ---- sockets ---- */

static int tunnel_socket(void)
{
	int v6 = strchr(laddr, ':') != NULL, fd;

	errno = 0;
	if (v6) {
		struct in6_addr l, p;

		if (inet_pton(AF_INET6, laddr, &l) != 1 || inet_pton(AF_INET6, raddr, &p) != 1)
			die("bad IPv6 address");
		if (encap_ip) {
			struct sockaddr_l2tpip6 a = { .l2tp_family = AF_INET6, .l2tp_addr = l, .l2tp_conn_id = tid };
			struct sockaddr_l2tpip6 b = { .l2tp_family = AF_INET6, .l2tp_addr = p, .l2tp_conn_id = ptid };

			fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_L2TP);
			if (fd < 0)
				die("socket(AF_INET6, IPPROTO_L2TP)");
			if (bind(fd, (void *)&a, sizeof a))
				die("bind %s", laddr);
			if (connect(fd, (void *)&b, sizeof b))
				die("connect %s", raddr);
		} else {
			struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = l, .sin6_port = htons(sport) };
			struct sockaddr_in6 b = { .sin6_family = AF_INET6, .sin6_addr = p, .sin6_port = htons(dport) };

			fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
			if (fd < 0 || bind(fd, (void *)&a, sizeof a) || connect(fd, (void *)&b, sizeof b))
				die("UDP socket %s to %s", laddr, raddr);
		}
	} else {
		struct in_addr l, p;

		if (inet_pton(AF_INET, laddr, &l) != 1 || inet_pton(AF_INET, raddr, &p) != 1)
			die("bad IPv4 address");
		if (encap_ip) {
			struct sockaddr_l2tpip a = { .l2tp_family = AF_INET, .l2tp_addr = l, .l2tp_conn_id = tid };
			struct sockaddr_l2tpip b = { .l2tp_family = AF_INET, .l2tp_addr = p, .l2tp_conn_id = ptid };

			fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_L2TP);
			if (fd < 0)
				die("socket(AF_INET, IPPROTO_L2TP)");
			if (bind(fd, (void *)&a, sizeof a))
				die("bind %s", laddr);
			if (connect(fd, (void *)&b, sizeof b))
				die("connect %s", raddr);
		} else {
			struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = l, .sin_port = htons(sport) };
			struct sockaddr_in b = { .sin_family = AF_INET, .sin_addr = p, .sin_port = htons(dport) };

			fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
			if (fd < 0 || bind(fd, (void *)&a, sizeof a) || connect(fd, (void *)&b, sizeof b))
				die("UDP socket %s to %s", laddr, raddr);
		}
	}
	return fd;
}

static int pppox(int tfd, uint32_t s, uint32_t ps, int cloexec)
{
	int fd = socket(AF_PPPOX, SOCK_DGRAM | (cloexec ? SOCK_CLOEXEC : 0), PX_PROTO_OL2TP), e;

	if (fd < 0)
		die("socket(AF_PPPOX, PX_PROTO_OL2TP) (module l2tp_ppp)");
	if (version == 3) {
		struct sockaddr_pppol2tpv3 a;

		memset(&a, 0, sizeof a);
		a.sa_family = AF_PPPOX;
		a.sa_protocol = PX_PROTO_OL2TP;
		a.pppol2tp.fd = tfd;
		a.pppol2tp.addr.sin_family = AF_INET;
		a.pppol2tp.s_tunnel = tid;
		a.pppol2tp.d_tunnel = ptid;
		a.pppol2tp.s_session = s;
		a.pppol2tp.d_session = ps;
		e = connect(fd, (void *)&a, sizeof a);
	} else {
		struct sockaddr_pppol2tp a;

		memset(&a, 0, sizeof a);
		a.sa_family = AF_PPPOX;
		a.sa_protocol = PX_PROTO_OL2TP;
		a.pppol2tp.fd = tfd;
		a.pppol2tp.addr.sin_family = AF_INET;
		a.pppol2tp.s_tunnel = tid;
		a.pppol2tp.d_tunnel = ptid;
		a.pppol2tp.s_session = s;
		a.pppol2tp.d_session = ps;
		e = connect(fd, (void *)&a, sizeof a);
	}
	if (e)
		die("connect of the PPPoX socket (session %u/%u)", s, ps);
	return fd;
}

int main(int argc, char **argv)
{
	enum { ENCAP = 1, LOCAL, REMOTE, SPORT, DPORT, TID, PTID, SID, PSID, COOKIE, PCOOKIE, L2SPEC, SEQ, VERSION };
	int whole = 0, o, tfd = -1, sfd, sig;
	struct option opts[] = {
		{ "encap", 1, 0, ENCAP }, { "local", 1, 0, LOCAL }, { "remote", 1, 0, REMOTE },
		{ "sport", 1, 0, SPORT }, { "dport", 1, 0, DPORT }, { "tid", 1, 0, TID }, { "ptid", 1, 0, PTID },
		{ "sid", 1, 0, SID }, { "psid", 1, 0, PSID }, { "cookie", 1, 0, COOKIE }, { "peer-cookie", 1, 0, PCOOKIE },
		{ "l2spec", 1, 0, L2SPEC }, { "seq", 1, 0, SEQ }, { "version", 1, 0, VERSION },
		{ "lns", 0, &lns, 1 }, { "connect-only", 0, &connect_only, 1 }, { "no-tunnel", 0, &no_tunnel, 1 },
		{ "exec", 0, &whole, 1 }, { "hold", 0, &hold, 1 }, { 0, 0, 0, 0 },
	};

	while ((o = getopt_long(argc, argv, "+", opts, NULL)) != -1) {
		switch (o) {
		case 0: break;
		case ENCAP: encap_ip = !strcmp(optarg, "ip"); if (!encap_ip && strcmp(optarg, "udp")) usage(); break;
		case LOCAL: laddr = optarg; break;
		case REMOTE: raddr = optarg; break;
		case SPORT: sport = number(optarg, "--sport", 65535); break;
		case DPORT: dport = number(optarg, "--dport", 65535); break;
		case TID: tid = number(optarg, "--tid", UINT32_MAX); break;
		case PTID: ptid = number(optarg, "--ptid", UINT32_MAX); break;
		case SID: sid = number(optarg, "--sid", UINT32_MAX); break;
		case PSID: psid = number(optarg, "--psid", UINT32_MAX); break;
		case COOKIE: cookielen = hex(optarg, cookie); break;
		case PCOOKIE: pcookielen = hex(optarg, pcookie); break;
		case L2SPEC:
			if (!strcmp(optarg, "default"))
				l2spec = L2TP_L2SPECTYPE_DEFAULT;
			else if (strcmp(optarg, "none"))
				usage();
			break;
		case SEQ:
			seqsend = !strcmp(optarg, "send") || !strcmp(optarg, "both");
			seqrecv = !strcmp(optarg, "recv") || !strcmp(optarg, "both");
			break;
		case VERSION: version = number(optarg, "--version", 3); break;
		default: usage();
		}
	}
	if (!tid || !ptid || !sid || !psid || (!no_tunnel && (!laddr || !raddr)) || (version != 2 && version != 3))
		usage();

	if (!no_tunnel)
		tfd = tunnel_socket();
	if (connect_only) {
		/* session ids of zero: this makes the tunnel and its control socket */
		pppox(tfd, 0, 0, 1);
	} else {
		int fam = l2tp_family(), e;
		struct req r;

		if (!no_tunnel) {
			r = request(fam, L2TP_CMD_TUNNEL_CREATE, L2TP_GENL_VERSION);
			attr32(&r, L2TP_ATTR_CONN_ID, tid);
			attr32(&r, L2TP_ATTR_PEER_CONN_ID, ptid);
			attr8(&r, L2TP_ATTR_PROTO_VERSION, version);
			attr16(&r, L2TP_ATTR_ENCAP_TYPE, encap_ip ? L2TP_ENCAPTYPE_IP : L2TP_ENCAPTYPE_UDP);
			attr32(&r, L2TP_ATTR_FD, tfd);
			if ((e = transact(&r, NULL))) {
				errno = -e;
				die("L2TP_CMD_TUNNEL_CREATE");
			}
		}
		r = request(fam, L2TP_CMD_SESSION_CREATE, L2TP_GENL_VERSION);
		attr32(&r, L2TP_ATTR_CONN_ID, tid);
		attr32(&r, L2TP_ATTR_PEER_CONN_ID, ptid);
		attr32(&r, L2TP_ATTR_SESSION_ID, sid);
		attr32(&r, L2TP_ATTR_PEER_SESSION_ID, psid);
		attr16(&r, L2TP_ATTR_PW_TYPE, L2TP_PWTYPE_PPP);
		if (version == 3) {
			attr8(&r, L2TP_ATTR_L2SPEC_TYPE, l2spec);
			if (cookielen)
				attr(&r, L2TP_ATTR_COOKIE, cookie, cookielen);
			if (pcookielen)
				attr(&r, L2TP_ATTR_PEER_COOKIE, pcookie, pcookielen);
		}
		if (seqsend)
			attr8(&r, L2TP_ATTR_SEND_SEQ, 1);
		if (seqrecv)
			attr8(&r, L2TP_ATTR_RECV_SEQ, 1);
		if (lns)
			attr8(&r, L2TP_ATTR_LNS_MODE, 1);
		if ((e = transact(&r, NULL))) {
			errno = -e;
			die("L2TP_CMD_SESSION_CREATE");
		}
	}
	sfd = pppox(tfd, sid, psid, 0);

	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sig = signalfd(-1, &set, SFD_CLOEXEC);
	if (sig < 0)
		die("signalfd");

	pid_t child = -1;
	if (!hold) {
		char num[16], **av = calloc(argc + 16, sizeof *av);
		int n = 0;

		snprintf(num, sizeof num, "%d", sfd);
		if (!whole) {
			const char *pre[] = { "pppd", "plugin", "pppol2tp.so", "pppol2tp", num, "nodetach" };

			for (unsigned i = 0; i < sizeof pre / sizeof *pre; i++)
				av[n++] = (char *)pre[i];
		}
		for (int i = optind; i < argc; i++)
			av[n++] = whole && !strcmp(argv[i], "{}") ? num : argv[i];
		if (!n)
			usage();
		child = fork();
		if (child < 0)
			die("fork");
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			sigprocmask(SIG_UNBLOCK, &set, NULL);
			execvp(av[0], av);
			die("exec %s", av[0]);
		}
		close(sfd); /* the child has it: the session's end is the child's end */
	}
	for (;;) {
		struct pollfd p[2] = { { .fd = sig, .events = POLLIN }, { .fd = tfd, .events = POLLIN } };

		if (poll(p, tfd < 0 ? 1 : 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (p[1].revents) {
			char buf[65536];
			ssize_t n = recv(tfd, buf, sizeof buf, MSG_DONTWAIT);

			if (n >= 0)
				fprintf(stderr, "l2tpppp: %zd bytes handed up on the tunnel socket\n", n);
			else if (errno != EAGAIN)
				fprintf(stderr, "l2tpppp: tunnel socket: %s\n", strerror(errno));
		}
		if (p[0].revents) {
			struct signalfd_siginfo si;

			if (read(sig, &si, sizeof si) != sizeof si)
				continue;
			if (si.ssi_signo == SIGCHLD) {
				int st;

				if (child > 0 && waitpid(child, &st, WNOHANG) == child)
					return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
			} else if (child > 0) {
				kill(child, si.ssi_signo);
			} else {
				return 0;
			}
		}
	}
}
