# Builds the pasta tools. `make help` lists the targets.
#
#   CONFIG=release|debug   optimisation           BUILD=DIR          where objects go (build/CONFIG)
#   SANITIZE=address,undefined                    TORCH_DIR=DIR      a newer libtorch (a PyTorch wheel's folder) than the system's
#   PASTA_SHARED=DIR       reference files that are not part of the repository; tests without theirs are skipped (../shared)

CONFIG   ?= release
SANITIZE ?=
BUILD    ?= build/$(if $(SANITIZE),sanitize,$(CONFIG))
PREFIX   ?= /usr/local
CC       ?= cc
CXX      ?= c++

# --- flags -------------------------------------------------------------------------------------
OPT_release = -O3
OPT_debug   = -O0
WARN     = -Wall -Wextra -Wshadow -Wvla -Wpointer-arith
CFLAGS   ?= $(OPT_$(CONFIG)) -g
CXXFLAGS ?= $(OPT_$(CONFIG):-O3=-O2) -g # the shim only calls ATen, and at -O3 GCC 14 warns of libtorch 2.6's own headers
SAN      = $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
PACKAGES = libcjson zlib libpng libjpeg libwebp libwebpdemux cairo libcrypto libutf8proc libcurl libmicrohttpd
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
VERSION  := $(shell cat VERSION 2>/dev/null)
COMMIT   := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)$(shell git diff --quiet HEAD 2>/dev/null || echo +changes)

# Wheels before 2.7 are built with the old layout of std::string.
ifdef TORCH_DIR
TORCH_CFLAGS = -D_GLIBCXX_USE_CXX11_ABI=$(if $(shell nm -D $(TORCH_DIR)/lib/libc10.so 2>/dev/null | grep -m1 'c105ErrorC.*__cxx11'),1,0) \
               -isystem $(TORCH_DIR)/include -isystem $(TORCH_DIR)/include/torch/csrc/api/include
TORCH_LIBS   = -L$(TORCH_DIR)/lib -Wl,-rpath,$(TORCH_DIR)/lib -ltorch -ltorch_cpu -lc10 \
               $(if $(wildcard $(TORCH_DIR)/lib/libtorch_cuda.so),-Wl,--no-as-needed -ltorch_cuda -Wl,--as-needed)
else
TORCH_CFLAGS = -isystem /usr/include/torch/csrc/api/include
TORCH_LIBS   = -ltorch -ltorch_cpu -lc10
endif

ALL_CFLAGS   = -std=c11 -D_GNU_SOURCE -Iinclude -MMD -MP -fPIC -pthread $(WARN) -Wmissing-prototypes $(SAN) $(PKG_CFLAGS) $(CFLAGS)
# C++20 because libtorch's headers ask for it from 2.14 on; 1.13's take it too.
ALL_CXXFLAGS = -std=c++20 -Iinclude -MMD -MP -fPIC -pthread -Wall $(SAN) $(TORCH_CFLAGS) $(PKG_CFLAGS) $(CXXFLAGS)
ALL_LDFLAGS  = -pthread $(SAN) -Wl,--as-needed $(LDFLAGS)
LIBS         = $(TORCH_LIBS) $(PKG_LIBS) -lopenblas -lm

# --- files -------------------------------------------------------------------------------------
LAYERS   = base io tensor model world agent study user value eval
LIB_C    = $(sort $(foreach d,$(LAYERS),$(wildcard src/$(d)/*.c)))
LIB_CXX  = $(filter-out %_module.cpp,$(sort $(foreach d,$(LAYERS),$(wildcard src/$(d)/*.cpp))))
MODULE   = $(BUILD)/libpasta-spm.so
PAGE     = $(addprefix src/study/,page.html page.css page.js page_net.js page_images.js page_slate.js page_zoom.js page.svg)
LIB_OBJ  = $(LIB_C:src/%.c=$(BUILD)/%.o) $(LIB_CXX:src/%.cpp=$(BUILD)/%.o) \
           $(BUILD)/study/page_assets.o
LIB      = $(BUILD)/libpasta.a
CMD_MAIN = $(sort $(wildcard src/cmd/pasta.c src/cmd/pasta_*.c))
CMD_OBJ  = $(patsubst src/%.c,$(BUILD)/%.o,$(filter-out $(CMD_MAIN),$(wildcard src/cmd/*.c)))
CMD_LIB  = $(BUILD)/libcmd.a
BINS     = $(foreach f,$(CMD_MAIN),$(BUILD)/$(subst _,-,$(basename $(notdir $(f)))))
TEST_C   = $(sort $(wildcard tests/unit/test_*.c tests/golden/test_*.c tests/property/test_*.c))
TESTS    = $(TEST_C:%.c=$(BUILD)/%)
FUZZ_C   = $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ     = $(FUZZ_C:%.c=$(BUILD)/%)
FUZZ_OBJ = $(filter $(addprefix $(BUILD)/,base/% io/% model/bpe% model/spm% model/preprocess% agent/image_store% \
           $(addprefix world/,lmm_reply% lmm_json% t2i_reply%) $(addprefix study/,events% request% shown_image% state% steps% view%)),$(LIB_OBJ))
FUZZ_MAIN ?= $(BUILD)/tests/fuzz/replay.o
BENCH_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/bench/*.c))
BENCH    = $(BUILD)/bench
PEER     = $(BUILD)/peer
BROWSER_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/browser/*.c))
BROWSER  = $(BUILD)/browser-test
SUPPORT_C = $(sort $(wildcard tests/support/*.c))
SUPPORT  = $(foreach f,$(SUPPORT_C),$(BUILD)/$(subst _,-,$(basename $(notdir $(f)))))

.PHONY: all tests test fuzz fuzz-targets check-headers check-deps bench clean install help compile_commands.json
.DELETE_ON_ERROR:

all: $(BINS) $(MODULE) ## build every binary (the default)

tests: $(TESTS) $(FUZZ) $(BENCH) $(PEER) $(BROWSER) $(SUPPORT) $(MODULE) ## build the C tests

# Objects depend on a stamp that changes with the flags, so a changed flag rebuilds.
STAMP := $(BUILD)/flags
$(shell mkdir -p $(BUILD); echo '$(CC) $(CXX) $(ALL_CFLAGS) $(ALL_CXXFLAGS) $(LIBS)' > $(STAMP).new; \
        cmp -s $(STAMP).new $(STAMP) && rm $(STAMP).new || mv $(STAMP).new $(STAMP))

$(BUILD)/%.o: src/%.c $(STAMP)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c $< -o $@
$(BUILD)/%.o: src/%.cpp $(STAMP)
	@mkdir -p $(@D)
	$(CXX) $(ALL_CXXFLAGS) -c $< -o $@
$(BUILD)/tests/%.o: tests/%.c $(STAMP)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests -c $< -o $@

# The version is a file of its own, so that a new commit recompiles one small object.
$(BUILD)/base/version.o: ALL_CFLAGS += -DPASTA_VERSION='"$(VERSION)"' -DPASTA_COMMIT='"$(COMMIT)"'
$(BUILD)/commit: FORCE
	@mkdir -p $(@D); echo '$(VERSION) $(COMMIT)' | cmp -s - $@ || echo '$(VERSION) $(COMMIT)' > $@
$(BUILD)/base/version.o: $(BUILD)/commit
FORCE:

# The rater's page, as bytes in the binary.
$(BUILD)/study/page_assets.c: scripts/embed-assets Makefile $(PAGE)
	@mkdir -p $(@D)
	scripts/embed-assets $(PAGE) > $@
$(BUILD)/study/page_assets.o: $(BUILD)/study/page_assets.c $(STAMP)
	$(CC) $(ALL_CFLAGS) -Isrc/study -c $< -o $@

# Archives, so that each binary takes only the objects it needs.
$(LIB): $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^
$(CMD_LIB): $(CMD_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

# SentencePiece in a shared object of its own: src/model/spm_module.h says why. Never sanitized: it is loaded apart.
$(MODULE): src/model/spm_module.cpp src/model/spm_module.h $(STAMP)
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -shared -fPIC -fvisibility=hidden -Wall $(CXXFLAGS) $< -lsentencepiece -o $@

.SECONDEXPANSION:
$(BINS) $(TESTS) $(FUZZ): | $(MODULE)
$(BINS): $(BUILD)/%: $(BUILD)/cmd/$$(subst -,_,%).o $(CMD_LIB) $(LIB)
	$(CXX) $(ALL_LDFLAGS) -Wl,-Map=$@.map $^ $(LIBS) -o $@
$(TESTS): $(BUILD)/%: $(BUILD)/%.o $(CMD_LIB) $(LIB)
	$(CXX) $(ALL_LDFLAGS) $^ -lcmocka $(LIBS) -o $@

$(addprefix $(BUILD)/tests/unit/,test_service test_service_limits test_cassette): | $(BUILD)/bad-server

$(FUZZ): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/fuzz/support.o $(FUZZ_MAIN) $(FUZZ_OBJ)
	$(CXX) $(ALL_LDFLAGS) $(FUZZ_LINK) $^ $(PKG_LIBS) -lm -o $@

$(BENCH): $(BENCH_OBJ) $(LIB)
	$(CXX) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
$(PEER): $(BUILD)/tests/peer/peer.o $(LIB) | $(MODULE)
	$(CXX) $(ALL_LDFLAGS) $^ $(LIBS) -o $@
$(BROWSER): $(BROWSER_OBJ) $(LIB)
	$(CXX) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -lm -o $@
# What tests talk to: servers that misbehave, raters.
$(SUPPORT): $(BUILD)/%: $(BUILD)/tests/support/$$(subst -,_,%).o $(LIB)
	$(CXX) $(ALL_LDFLAGS) $^ $(PKG_LIBS) -lm -o $@

check-headers: ## every header compiles alone, as C11 and as C++17
	@scripts/check-headers $(CC) $(CXX)

check-deps: all ## includes point down, binaries hold no other stage's code
	@scripts/check-deps $(BUILD)

test: all tests check-headers check-deps ## run every test
	@scripts/run-tests $(BUILD)

fuzz: ## the fuzz targets for libFuzzer, in build/fuzz (needs clang); scripts/fuzz runs them
	$(MAKE) CC=clang CXX=clang++ CONFIG=release BUILD=build/fuzz SANITIZE=fuzzer-no-link,address,undefined \
	    CFLAGS='-O1 -g -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION' FUZZ_LINK=-fsanitize=fuzzer FUZZ_MAIN= fuzz-targets

fuzz-targets: $(FUZZ) $(MODULE)

bench: $(BENCH) $(MODULE) ## ratios against twins, in one run
	@scripts/bench $(BUILD)

install: all ## install binaries and data below PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/pasta
	install $(BINS) $(DESTDIR)$(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/lib/pasta && install $(MODULE) $(DESTDIR)$(PREFIX)/lib/pasta
	cp -R data/. configs $(DESTDIR)$(PREFIX)/share/pasta

compile_commands.json: ## for editors and clang-tidy (needs bear)
	bear -- $(MAKE) -B all tests

clean: ## remove the objects of this configuration
	rm -rf $(BUILD)

help: ## this list
	@grep -hE '^[a-z_.-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 24

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(CMD_MAIN:src/%.c=$(BUILD)/%.d) $(TESTS:=.d) $(FUZZ:=.d) $(BENCH_OBJ:.o=.d) $(BUILD)/tests/peer/peer.d \
         $(BROWSER_OBJ:.o=.d) $(SUPPORT_C:%.c=$(BUILD)/%.d)
