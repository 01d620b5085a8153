// pt_scope.cpp: who owns a tensor, and what becomes of a failure (see pt.h for the contract).

#include "pt_impl.h"

#include <malloc.h>
#include <climits>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace shim {
namespace {

struct Scope {
    std::vector<pt> owned; // a kept or yielded tensor leaves a null slot
    bool failed = false;
    std::string message; // of the first cause
};

struct Stack {
    std::vector<Scope> scopes; // those beyond `depth` are closed and keep their memory
    int depth = 0;
    Scope &top() { return scopes[depth - 1]; }
    void release(Scope &s)
    {
        for (size_t i = s.owned.size(); i-- > 0;)
            delete s.owned[i];
        s.owned.clear();
    }
    ~Stack()
    {
        while (depth > 0)
            release(scopes[--depth]);
    }
};

thread_local Stack stack;

// Freed memory stays with the process. By default glibc gives every block above 32 MB back at once, and the page faults of getting
// it again in the next step cost more than the arithmetic (attention over 128 tokens: 46 ms, with this 19 ms).
const bool memory_stays = mallopt(M_MMAP_MAX, 0) && mallopt(M_TRIM_THRESHOLD, INT_MAX);

} // namespace

// --- errors ---------------------------------------------------------------------------------------

void bug(const char *op, const char *what)
{
    std::fprintf(stderr, "%s: %s\n", op, what);
    std::abort();
}

// "[2,3] f32"
static std::string describe(const Tensor &t)
{
    std::string text = "[";
    for (int64_t i = 0; i < t.dim(); i++)
        text.append(i ? "," : "").append(std::to_string(t.size(i)));
    text += "] ";
    const char *name = dtype_name(t.scalar_type());
    return text + (name ? name : c10::toString(t.scalar_type()));
}

static void fail_scope(const char *op, std::string message)
{
    if (stack.depth == 0)
        bug(op, (message + " (and no scope is open)").c_str());
    Scope &s = stack.top();
    if (s.failed)
        return;
    s.failed = true;
    s.message = std::move(message);
}

void fail_op(const char *op, const pt *in, size_t n, std::string why)
{
    for (char &c : why)
        if (c == '\n')
            c = ' ';
    while (!why.empty() && (why.back() == ' ' || why.back() == '.'))
        why.pop_back();
    std::string message = std::string(op) + "(";
    const size_t shown = n < 8 ? n : 8;
    for (size_t i = 0; i < shown; i++)
        message += (i ? ", " : "") + (in[i] ? describe(in[i]->value) : std::string("NULL"));
    fail_scope(op, message + (shown < n ? ", ..." : "") + "): " + why);
}

void fail_op(const char *op, Operands in, const std::string &why)
{
    std::vector<pt> list;
    for (const Operand &o : in)
        if (o.tensor || !o.optional)
            list.push_back(o.tensor);
    fail_op(op, list.data(), list.size(), why);
}

std::string caught()
{
    try {
        throw;
    } catch (const c10::Error &e) {
        return e.what_without_backtrace();
    } catch (const std::exception &e) {
        return e.what();
    } catch (...) {
        return "unknown exception";
    }
}

bool ready(const char *op, Operands in)
{
    if (stack.depth == 0)
        bug(op, "no scope is open");
    if (stack.top().failed)
        return false;
    for (const Operand &o : in) {
        if (o.tensor || o.optional)
            continue;
        fail_op(op, in, "NULL operand");
        return false;
    }
    return true;
}

// --- ownership ------------------------------------------------------------------------------------

pt own(Tensor value)
{
    Scope &s = stack.top();
    s.owned.push_back(nullptr);
    s.owned.back() = new pt_tensor{std::move(value), stack.depth, s.owned.size() - 1};
    return s.owned.back();
}

static void disown(pt t, const char *op)
{
    if (t->depth == 0)
        bug(op, "the tensor is already kept");
    if (t->depth > stack.depth || stack.scopes[t->depth - 1].owned.at(t->slot) != t)
        bug(op, "the tensor belongs to no open scope of this thread");
    stack.scopes[t->depth - 1].owned[t->slot] = nullptr;
    t->depth = 0;
}

} // namespace shim

using namespace shim;

// --- scopes, ownership ----------------------------------------------------------------------------

void pt_scope_open(void)
{
    if ((size_t)stack.depth == stack.scopes.size())
        stack.scopes.emplace_back();
    Scope &s = stack.scopes[stack.depth++];
    s.failed = stack.depth > 1 && stack.scopes[stack.depth - 2].failed;
    s.message = s.failed ? stack.scopes[stack.depth - 2].message : std::string();
}

pasta_status pt_scope_close(struct pasta_err *err)
{
    if (stack.depth == 0)
        bug("pt_scope_close", "no scope is open");
    Scope &s = stack.top();
    stack.release(s);
    stack.depth--;
    if (!s.failed)
        return PASTA_OK;
    if (stack.depth > 0)
        fail_scope("pt_scope_close", s.message);
    return pasta_fail(err, PASTA_ERR_FAILED, "%s", s.message.c_str());
}

pt pt_keep(pt t)
{
    if (t)
        disown(t, "pt_keep");
    return t;
}

pt pt_yield(pt t)
{
    if (!t)
        return nullptr;
    if (t->depth < 2)
        bug("pt_yield", "the tensor's scope has no enclosing scope");
    const int outer = t->depth - 1;
    disown(t, "pt_yield");
    std::vector<pt> &owned = stack.scopes[outer - 1].owned;
    owned.push_back(t);
    t->depth = outer;
    t->slot = owned.size() - 1;
    return t;
}

void pt_free(pt t)
{
    if (t && t->depth != 0)
        bug("pt_free", "the tensor belongs to a scope");
    delete t;
}

bool pt_failed(void) { return stack.depth > 0 && stack.top().failed; }

int pt_scope_depth(void) { return stack.depth; }

void pt_fail(const char *fmt, ...)
{
    char message[sizeof(((struct pasta_err *)nullptr)->message)];
    va_list args;
    va_start(args, fmt);
    std::vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    fail_scope("pt_fail", message);
}
