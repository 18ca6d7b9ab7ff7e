# culvert: `make` prints this help. Everything is made below build/; nothing else in the tree changes.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
.DEFAULT_GOAL := help

BUILD := $(CURDIR)/build
BIN := $(BUILD)/culvert
GO ?= go
VERSION ?= $(shell git describe --tags --match 'v*' --dirty 2>/dev/null || echo 0.1.0-dev)
COMMIT ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X culvert/internal/version.Version=$(VERSION) -X culvert/internal/version.Commit=$(COMMIT)
GOLANGCI_VERSION := 2.15.0
GOLANGCI := $(BUILD)/bin/golangci-lint-$(GOLANGCI_VERSION)
FUZZTIME ?= 3s
BENCH ?= .
PKG ?= ./...
ARGS ?=
# Tests that need network namespaces are skipped where they cannot run, except here: as root a skip is a failure.
REQUIRE_NETNS := $(if $(filter 0,$(shell id -u)),1,0)
export CULVERT_REQUIRE_NETNS ?= $(REQUIRE_NETNS)

##@ Use
.PHONY: help
help: ## this text
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	/^[a-z-]+:.*## / {printf "  %-17s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: build
build: ## the static binary build/culvert
	@mkdir -p $(BUILD)
	CGO_ENABLED=0 $(GO) build -buildvcs=false -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/culvert

.PHONY: demo
demo: build ## two culverts in two namespaces: PPP over UDP and Ethernet over IP, ping and TCP through both
	@$(BIN) demo

##@ Prove
.PHONY: test
test: ## everything: deps build unit race demo packages-test container-test e2e lint fuzz arm64 s390x count golden interop (root, Debian 12; about 18 minutes on 2 cores)
	@scripts/test.sh

.PHONY: deps
deps: ## install the programs the tests need (root, apt), only those missing
	@scripts/deps.sh

.PHONY: unit
unit: build ## unit and namespace tests in random order; PKG=./encap for less. A skip fails when run as root
	@CGO_ENABLED=0 CULVERT_BIN=$(BIN) scripts/gotest.sh unit -shuffle=on -timeout 10m $(PKG)

.PHONY: race
race: build ## the same under the race detector, which has to be on
	@CGO_ENABLED=1 CULVERT_REQUIRE_RACE=1 CULVERT_BIN=$(BIN) scripts/gotest.sh race -race -shuffle=on -timeout 15m $(PKG)

.PHONY: vet
vet: ## go vet, with and without build tags, and gofmt
	@out=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [[ -n $$out ]]; then printf 'not gofmt-ed:\n%s\n' "$$out" >&2; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags interop,e2e ./...

.PHONY: lint
lint: vet $(GOLANGCI) ## golangci-lint in the pinned version, with .golangci.yml
	$(GOLANGCI) run --timeout 10m --build-tags interop,e2e ./...

$(GOLANGCI):
	@GO=$(GO) scripts/golangci.sh $(GOLANGCI_VERSION) $@

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (3s) each; PKG=./encap for one package
	@FUZZTIME=$(FUZZTIME) scripts/fuzz.sh $(PKG)

.PHONY: golden
golden: ## golden packets against tshark
	@mkdir -p $(BUILD)/test
	@scripts/golden.sh | tee $(BUILD)/test/golden.txt

.PHONY: interop
interop: build ## against a real Linux kernel and pppd in QEMU
	@scripts/kernelpeer/setup.sh
	@mkdir -p $(BUILD)/test && cp $(BIN) $(BUILD)/test/culvert # its own, for others may build meanwhile
	@CGO_ENABLED=0 CULVERT_BIN=$(BUILD)/test/culvert VERBOSE=1 scripts/gotest.sh interop -tags interop -timeout 15m ./internal/interop

.PHONY: e2e
e2e: build ## what users rely on, with the real programs: reloads under traffic, the quick start (root; IPsec is in interop)
	@CGO_ENABLED=0 CULVERT_BIN=$(BIN) VERBOSE=1 scripts/gotest.sh e2e -tags e2e -count=1 -timeout 10m -run '^TestE2E' ./internal/proof ./forwarder/tuntap

.PHONY: arm64
arm64: ## builds and vets for arm64, and runs the tests that need no kernel of their own under qemu-user
	@CULVERT_BIN= scripts/cross.sh arm64 qemu-aarch64-static

.PHONY: s390x
s390x: ## wire formats, PPP and offload on a big-endian machine: qemu-user
	@GOARCH=s390x CGO_ENABLED=0 scripts/gotest.sh s390x -exec qemu-s390x-static -timeout 10m ./encap ./pppfsm ./forwarder/offload

.PHONY: count
count: ## instructions of each step of the packet path, compared with bench/count/baseline.json (root, amd64; ARGS=-tolerance=5)
	@mkdir -p $(BUILD)/bench $(BUILD)/test
	@$(GO) build -buildvcs=false -o $(BUILD)/bench/count ./bench/count
	@$(BUILD)/bench/count -out $(BUILD)/count.json -sum $(BUILD)/test/count.txt $(ARGS)

.PHONY: count-update
count-update: ARGS += -update
count-update: count ## the same, into the baseline, to be committed with what changed it

##@ Package
NFPM_VERSION := v2.43.0
NFPM := $(BUILD)/bin/nfpm-$(NFPM_VERSION)
CYCLONEDX_VERSION := v1.10.0
CYCLONEDX := $(BUILD)/bin/cyclonedx-gomod-$(CYCLONEDX_VERSION)

.PHONY: packages
packages: build $(NFPM) $(CYCLONEDX) ## .deb and .rpm with unit, manual pages and completions into build/packages, with a bill of materials and checksums
	@scripts/packages.sh $(NFPM) $(CYCLONEDX) $(VERSION)

.PHONY: packages-test
packages-test: packages ## installs, upgrades, removes and purges the .deb on this Debian, and the .rpm in a folder (root)
	@scripts/packages-test.sh

.PHONY: container-test
container-test: build ## the container image, built by buildah and run by runc with two capabilities, beside a culvert outside (root)
	@scripts/container-test.sh

$(NFPM):
	@mkdir -p $(@D)
	@GOBIN=$(@D) GOFLAGS= $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	@mv $(@D)/nfpm $@

$(CYCLONEDX):
	@mkdir -p $(@D)
	@CGO_ENABLED=0 GOBIN=$(@D) GOFLAGS= $(GO) install -trimpath github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(CYCLONEDX_VERSION)
	@mv $(@D)/cyclonedx-gomod $@

##@ Measure
.PHONY: bench
bench: ## Go benchmarks; BENCH=regexp, PKG=./encap for fewer
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

.PHONY: bench-throughput
bench-throughput: ## culvert beside veth, VXLAN, wireguard-go and fastd into docs/results/ (root; about 30 minutes); ARGS=-quick for 3
	@mkdir -p $(BUILD)/bench
	@$(GO) build -buildvcs=false -o $(BUILD)/bench/throughput ./bench/throughput
	@$(BUILD)/bench/throughput $(ARGS)

.PHONY: bench-scale
bench-scale: build ## many sessions with a device each: memory, set-up rate, cost (root); ARGS='--sessions 19000 --out docs/results/NAME'
	@$(BIN) bench scale $(ARGS)

##@ Tidy
.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)
