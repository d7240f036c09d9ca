#ifndef CPS_REF_H
#define CPS_REF_H

#include <stdbool.h>

#include "store/base/buf.h"
#include "store/base/err.h"
#include "store/digest.h"

#define CPS_REF_NAME_MAX 255 /* bytes of domain/path (distribution-spec) */
#define CPS_REF_TAG_MAX  128

/** A reference by Docker's rules (distribution reference, regexp.go and normalize.go):
 *  `[domain/]path[:tag][@digest]`. */
struct cps_ref {
	char domain[CPS_REF_NAME_MAX + 1]; /* "docker.io" when none was given */
	char path[CPS_REF_NAME_MAX + 1];   /* "library/debian" for "debian" */
	char tag[CPS_REF_TAG_MAX +
		 1]; /* "latest" with neither tag nor digest; else "" */
	bool has_digest;
	struct cps_digest digest;
};

/** 0; -EINVAL with the reason; -ENOTSUP digest of another algorithm. */
int cps_ref_parse(const char *text, struct cps_ref *out, struct cps_err *err);
/** The same for a name that is to be given: no digest, and nothing that reads as an ID.
 */
int cps_ref_parse_new(const char *text, struct cps_ref *out, struct cps_err *err);

/** The familiar form: "debian:bookworm", "host:5000/a/b@sha256:…". 0 or -ENOMEM. */
int cps_ref_familiar(const struct cps_ref *ref, struct cps_buf *out);
/** The same without tag and digest: "debian", "host:5000/a/b". */
int cps_ref_repository(const struct cps_ref *ref, struct cps_buf *out);
/** The whole form: "docker.io/library/debian:bookworm". */
int cps_ref_full(const struct cps_ref *ref, struct cps_buf *out);
/** Same domain, path and tag; digests are not compared. */
bool cps_ref_same_name(const struct cps_ref *a, const struct cps_ref *b);

#endif
