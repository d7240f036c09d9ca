#ifndef CPS_TOOLS_PS_TEXT_H
#define CPS_TOOLS_PS_TEXT_H

#include "tools/human.h"
#include "tools/live.h"

/* How docker ps says it. */

/** "Up 3 minutes", "Exited (0) 2 hours ago", "Created", "Mounted". */
const char *cps_status_text(const struct cps_live *live, int64_t now_s,
			    char out[CPS_HUMAN_MAX + 16]);
/** "running", "exited", "created", "mounted". */
const char *cps_status_word(const struct cps_live *live);
/** The command with its arguments, parted by blanks. 0 or -ENOMEM. */
int cps_command_text(const struct cps_live *live, struct cps_buf *out);

/** "1.2MB (virtual 80MB)": what was written, and that together with the image. */
const char *cps_written_text(struct cps_store *store, const struct cps_live *live,
			     char out[2 * CPS_HUMAN_MAX]);

#endif
