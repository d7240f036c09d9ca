#ifndef CPS_TOOLS_TEMPLATE_H
#define CPS_TOOLS_TEMPLATE_H

#include "store/base/err.h"
#include "tools/document.h"

/* The part of Go's text/template that people write behind --format:
 *
 *   {{.A.B}}  {{.}}  {{.A | json}}  {{(index .A 0).B}}  {{- and -}}
 *   {{json .A}}  {{index .A "key"}}  {{.A "key"}}  {{index .A 0}}  {{len .A}}
 *   {{upper .A}}  {{lower .A}}  {{join .A ", "}}  {{print .A}}  {{println .A}}
 *
 * Anything else, such as range and if, is an error that names it. */

#define CPS_TEMPLATE_MAX (1u << 16) /* bytes of a template */

/** Append what the template makes of `value`.
 *  0; -EINVAL not a template that is understood, or of a field that is not there;
 *  -ENOMEM. */
int cps_template(const char *text, struct json_t *value, struct cps_buf *out,
		 struct cps_err *err);

#endif
