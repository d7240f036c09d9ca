#include "tools/template.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/mem.h"
#include "store/base/path.h"

#define TERMS_MAX 8  /* of one command */
#define DEPTH_MAX 16 /* of parentheses */

/** Where in the template we are. */
struct parser {
	const char *at, *end; /* of the action, without its braces */
	struct json_t *dot;   /* borrowed */
	unsigned int depth;
	struct cps_err *err;
};

/** The words of one command, evaluated. */
struct terms {
	char function[16];                /* "": it begins with a value */
	struct json_t *values[TERMS_MAX]; /* owned */
	size_t count;
};

static void terms_auto(struct terms *terms)
{
	for (size_t i = 0; i < terms->count; i++)
		cps_doc_free(terms->values[i]);
}

static int pipeline(struct parser *p, struct json_t **out);

static void skip_blanks(struct parser *p)
{
	while (p->at < p->end && isspace((unsigned char)*p->at))
		p->at++;
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static size_t word_length(const struct parser *p)
{
	size_t n = 0;

	while (p->at + n < p->end && is_word(p->at[n]))
		n++;
	return n;
}

/* ---- fields ---- */

/* Members that somebody else named; one that is missing has no value. */
static bool is_open(const char *name, size_t len)
{
	return len == 6 && memcmp(name, "Labels", len) == 0;
}

/* One ".NAME" of `*value`, which it replaces. */
static int step(struct parser *p, struct json_t **value, bool *open)
{
	char name[64];
	size_t len = word_length(p);
	struct json_t *member;

	if (len == 0 || len >= sizeof(name))
		return cps_err_set(p->err, -EINVAL, "a field has no name");
	memcpy(name, p->at, len);
	name[len] = '\0';
	p->at += len;
	member = cps_doc_get(*value, name);
	/* Docker's own structures say ID where its JSON says Id. */
	if (!member && strcmp(name, "ID") == 0)
		member = cps_doc_get(*value, "Id");
	if (!member && !*open && cps_doc_kind(*value) != CPS_DOC_NULL)
		return cps_err_set(p->err, -EINVAL, "no field '%s'", name);
	*open = is_open(name, len);
	member = member ? cps_doc_ref(member) : NULL;
	cps_doc_free(*value);
	*value = member;
	return 0;
}

/* ".A.B" behind a value. */
static int path(struct parser *p, struct json_t **value)
{
	bool open = false;
	int rc = 0;

	while (rc == 0 && p->at < p->end && *p->at == '.') {
		p->at++;
		rc = step(p, value, &open);
	}
	return rc;
}

/* ---- constants ---- */

/* "..." with Go's simplest escapes, or `...`. */
static int text_constant(struct parser *p, struct json_t **out)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(CPS_TEMPLATE_MAX);
	char quote = *p->at++;
	int rc = 0;

	while (rc == 0 && p->at < p->end && *p->at != quote) {
		char c = *p->at++;

		if (c == '\\' && quote == '"' && p->at < p->end) {
			c = *p->at++;
			c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
		}
		rc = cps_buf_append(&text, &c, 1);
	}
	if (rc == 0 && p->at == p->end)
		return cps_err_set(p->err, -EINVAL, "a text without its end");
	p->at++;
	*out = rc == 0 ? cps_doc_new_text(cps_buf_cstr(&text), text.len) : NULL;
	return *out ? 0 : cps_err_nomem(p->err);
}

static int number_constant(struct parser *p, struct json_t **out)
{
	char digits[20];
	size_t len = word_length(p);

	if (len >= sizeof(digits) || strspn(p->at, "0123456789") < len)
		return cps_err_set(p->err, -EINVAL, "'%.*s' is no number",
				   (int)(len < 40 ? len : 40), p->at);
	memcpy(digits, p->at, len);
	digits[len] = '\0';
	p->at += len;
	*out = cps_doc_new_number(strtoull(digits, NULL, 10));
	return *out ? 0 : cps_err_nomem(p->err);
}

/* ---- functions ---- */

static int wrong(const struct terms *t, struct cps_err *err)
{
	return cps_err_set(err, -EINVAL, "'%s' of what has none", t->function);
}

static int take_text(struct cps_buf *text, int rc, struct json_t **out,
		     struct cps_err *err)
{
	*out = rc == 0 ? cps_doc_new_text(cps_buf_cstr(text), text->len) : NULL;
	return *out ? 0 : cps_err_nomem(err);
}

static int call_json(const struct terms *t, struct json_t **out, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	int rc = t->values[0] ? cps_doc_line(t->values[0], &text)
			      : cps_buf_str(&text, "null");

	return take_text(&text, rc, out, err);
}

static int call_print(const struct terms *t, struct json_t **out, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	int rc = cps_doc_plain(t->values[0], &text);

	if (rc == 0 && strcmp(t->function, "println") == 0)
		rc = cps_buf_str(&text, "\n");
	return take_text(&text, rc, out, err);
}

static int call_case(const struct terms *t, struct json_t **out, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	bool upper = strcmp(t->function, "upper") == 0;
	int rc = cps_doc_kind(t->values[0]) == CPS_DOC_TEXT
			 ? cps_doc_plain(t->values[0], &text)
			 : -EINVAL;

	if (rc == -EINVAL)
		return wrong(t, err);
	for (size_t i = 0; i < text.len; i++)
		text.data[i] = (uint8_t)(upper ? toupper(text.data[i])
					       : tolower(text.data[i]));
	return take_text(&text, rc, out, err);
}

static int call_len(const struct terms *t, struct json_t **out, struct cps_err *err)
{
	enum cps_doc_kind kind = cps_doc_kind(t->values[0]);

	if (kind == CPS_DOC_NUMBER || kind == CPS_DOC_OTHER)
		return wrong(t, err);
	*out = cps_doc_new_number(cps_doc_count(t->values[0]));
	return *out ? 0 : cps_err_nomem(err);
}

static int call_join(const struct terms *t, struct json_t **out, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	int rc = 0;

	if (cps_doc_kind(t->values[0]) != CPS_DOC_LIST)
		return wrong(t, err);
	for (size_t i = 0; i < cps_doc_count(t->values[0]) && rc == 0; i++) {
		if (i)
			rc = cps_doc_plain(t->values[1], &text);
		if (rc == 0)
			rc = cps_doc_plain(cps_doc_at(t->values[0], i), &text);
	}
	return take_text(&text, rc, out, err);
}

/* One key deeper; a key that is missing is empty, as in Go's maps of texts. */
static int index_one(struct json_t **value, const struct json_t *key,
		     const struct terms *t, struct cps_err *err)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	enum cps_doc_kind kind = cps_doc_kind(*value);
	struct json_t *found;

	if (cps_doc_plain(key, &text) < 0)
		return cps_err_nomem(err);
	if (kind == CPS_DOC_LIST && cps_doc_kind(key) == CPS_DOC_NUMBER) {
		found = cps_doc_at(*value, strtoull(cps_buf_cstr(&text), NULL, 10));
		if (!found)
			return cps_err_set(err, -EINVAL, "no element %s",
					   cps_buf_cstr(&text));
	} else if (cps_doc_kind(key) == CPS_DOC_TEXT &&
		   (kind == CPS_DOC_OBJECT || kind == CPS_DOC_NULL)) {
		found = cps_doc_get(*value, cps_buf_cstr(&text));
	} else {
		return wrong(t, err);
	}
	found = found ? cps_doc_ref(found) : cps_doc_new_text("", 0);
	cps_doc_free(*value);
	*value = found;
	return found ? 0 : cps_err_nomem(err);
}

static int call_index(const struct terms *t, struct json_t **out, struct cps_err *err)
{
	int rc = 0;

	*out = t->values[0] ? cps_doc_ref(t->values[0]) : NULL;
	for (size_t i = 1; i < t->count && rc == 0; i++)
		rc = index_one(out, t->values[i], t, err);
	return rc;
}

static const struct function {
	const char *name;
	int (*call)(const struct terms *t, struct json_t **out, struct cps_err *err);
	size_t least, most;
} functions[] = {
	{"json", call_json, 1, 1},   {"index", call_index, 1, TERMS_MAX},
	{"len", call_len, 1, 1},     {"upper", call_case, 1, 1},
	{"lower", call_case, 1, 1},  {"join", call_join, 2, 2},
	{"print", call_print, 1, 1}, {"println", call_print, 1, 1},
};

#define KNOWN "fields, json, index, len, upper, lower, join, print and println"

static int call(const struct terms *t, struct json_t **out, struct cps_err *err)
{
	for (size_t i = 0; i < CPS_ARRAY_LEN(functions); i++) {
		const struct function *f = &functions[i];

		if (strcmp(t->function, f->name) != 0)
			continue;
		return t->count < f->least || t->count > f->most
			       ? cps_err_set(err, -EINVAL,
					     "'%s' with the wrong number of arguments",
					     f->name)
			       : f->call(t, out, err);
	}
	return cps_err_set(err, -EINVAL, "'%s' is not known: only " KNOWN " are",
			   t->function);
}

/* ---- commands ---- */

static int parentheses(struct parser *p, struct json_t **out)
{
	int rc;

	p->at++;
	if (++p->depth > DEPTH_MAX)
		return cps_err_set(p->err, -EINVAL, "too many parentheses");
	rc = pipeline(p, out);
	p->depth--;
	if (rc < 0)
		return rc;
	if (p->at == p->end || *p->at != ')')
		return cps_err_set(p->err, -EINVAL, "a ')' is missing");
	p->at++;
	return path(p, out);
}

static int term(struct parser *p, struct json_t **out)
{
	if (*p->at == '.') {
		*out = cps_doc_ref(p->dot);
		if (p->at + 1 < p->end && is_word(p->at[1]))
			return path(p, out);
		p->at++; /* the dot alone */
		return 0;
	}
	if (*p->at == '"' || *p->at == '`')
		return text_constant(p, out);
	if (*p->at == '(')
		return parentheses(p, out);
	if (isdigit((unsigned char)*p->at))
		return number_constant(p, out);
	return cps_err_set(p->err, -EINVAL,
			   "'%.*s' is not understood: only " KNOWN " are",
			   (int)(p->end - p->at < 40 ? p->end - p->at : 40), p->at);
}

static int function_name(struct parser *p, struct terms *t)
{
	size_t len = word_length(p);

	if (len == 0 || isdigit((unsigned char)*p->at))
		return 0;
	if (len >= sizeof(t->function))
		return cps_err_set(p->err, -EINVAL,
				   "'%.*s' is not known: only " KNOWN " are",
				   (int)(len < 40 ? len : 40), p->at);
	memcpy(t->function, p->at, len);
	p->at += len;
	return 0;
}

/* "FUNCTION VALUE..." or "VALUE", or "MAP KEY". `piped` is the last argument; taken. */
static int command(struct parser *p, struct json_t *piped, bool is_piped,
		   struct json_t **out)
{
	cps_auto(terms) struct terms t = {0};
	int rc;

	skip_blanks(p);
	rc = p->at < p->end ? function_name(p, &t) : 0;
	for (skip_blanks(p);
	     rc == 0 && p->at < p->end && *p->at != '|' && *p->at != ')';
	     skip_blanks(p)) {
		if (t.count == TERMS_MAX - 1)
			rc = cps_err_set(p->err, -EINVAL, "too many arguments");
		else
			rc = term(p, &t.values[t.count++]);
	}
	if (rc == 0 && !t.function[0] && (t.count == 0 || is_piped))
		rc = cps_err_set(p->err, -EINVAL,
				 t.count ? "only a function takes what comes by '|'"
					 : "nothing stands where a value should");
	if (is_piped)
		t.values[t.count++] = piped;
	if (rc < 0)
		return rc;
	if (t.function[0])
		return call(&t, out, p->err);
	if (t.count > 1)
		strcpy(t.function, "index");
	return call_index(&t, out, p->err);
}

static int pipeline(struct parser *p, struct json_t **out)
{
	int rc = command(p, NULL, false, out);

	while (rc == 0 && p->at < p->end && *p->at == '|') {
		struct json_t *piped = CPS_TAKE(*out);

		p->at++;
		rc = command(p, piped, true, out);
	}
	return rc;
}

/* ---- the template ---- */

static int put_value(const struct json_t *value, struct cps_buf *out)
{
	cps_auto(cps_buf) struct cps_buf text = CPS_BUF_INIT(0);
	int rc = cps_doc_plain(value, &text);

	if (rc < 0 || !isatty(STDOUT_FILENO))
		return rc < 0 ? rc : cps_buf_append(out, text.data, text.len);
	/* What comes out of images must not steer the terminal. */
	return cps_escape(out, cps_buf_cstr(&text), text.len);
}

/* What stands between the braces. */
static int action(const char *at, size_t len, struct json_t *dot, struct cps_buf *out,
		  struct cps_err *err)
{
	cps_auto(cps_doc_free) struct json_t *value = NULL;
	struct parser p = {.at = at, .end = at + len, .dot = dot, .err = err};
	int rc;

	if (len >= 4 && memcmp(at, "/*", 2) == 0 && memcmp(at + len - 2, "*/", 2) == 0)
		return 0;
	rc = pipeline(&p, &value);
	if (rc == 0 && p.at < p.end)
		rc = cps_err_set(err, -EINVAL, "a ')' too many");
	if (rc == 0 && put_value(value, out) < 0)
		rc = cps_err_nomem(err);
	return rc < 0 ? cps_err_wrap(err, rc, "'{{%.*s}}'",
				     (int)(len < 100 ? len : 100), at)
		      : 0;
}

static void trim_end(struct cps_buf *out, size_t from)
{
	while (out->len > from && isspace(out->data[out->len - 1]))
		out->data[--out->len] = '\0';
}

/* The end of an action: braces in texts do not count. */
static const char *find_end(const char *at)
{
	char quote = 0;

	for (; *at; at++) {
		if (quote) {
			if (*at == '\\' && quote == '"' && at[1])
				at++;
			else if (*at == quote)
				quote = 0;
		} else if (*at == '"' || *at == '`') {
			quote = *at;
		} else if (at[0] == '}' && at[1] == '}') {
			return at;
		}
	}
	return NULL;
}

/* One action from its "{{" on; *at goes behind it. `literal` is where in `out` the text
 * before it begins. */
static int take_action(const char **at, struct json_t *value, size_t literal,
		       struct cps_buf *out, struct cps_err *err)
{
	const char *begin = *at + 2, *end = find_end(begin), *next;
	size_t len;

	if (!end)
		return cps_err_set(err, -EINVAL, "'%.40s': '{{' without '}}'", *at);
	next = end + 2;
	if (begin[0] == '-' && isspace((unsigned char)begin[1])) {
		trim_end(out, literal);
		begin += 2;
	}
	if (end - begin >= 2 && end[-1] == '-' && isspace((unsigned char)end[-2])) {
		end--;
		next += strspn(next, " \t\r\n");
	}
	while (begin < end && isspace((unsigned char)*begin))
		begin++;
	while (begin < end && isspace((unsigned char)end[-1]))
		end--;
	len = (size_t)(end - begin);
	*at = next;
	return action(begin, len, value, out, err);
}

int cps_template(const char *text, struct json_t *value, struct cps_buf *out,
		 struct cps_err *err)
{
	size_t literal = out->len;
	int rc = 0;

	if (strlen(text) > CPS_TEMPLATE_MAX)
		return cps_err_set(err, -EINVAL, "the template is too long");
	while (rc == 0 && *text) {
		const char *open = strstr(text, "{{");
		size_t len = open ? (size_t)(open - text) : strlen(text);

		if (cps_buf_append(out, text, len) < 0)
			return cps_err_nomem(err);
		text += len;
		if (open)
			rc = take_action(&text, value, literal, out, err);
		literal = out->len;
	}
	return rc < 0 ? cps_err_wrap(err, rc, "template") : 0;
}
