#ifndef ACKED_H
#define ACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A load whose every step is known afterwards. Step i follows from the seed and from
 * how the steps before it ended; a file outside of what is tested gets one byte a step,
 * when it has ended. So whoever reads that file knows what must be there, to the byte.
 */

#define FOLDERS   6
#define LOWER     4  /* folders that a lower layer holds */
#define NAMES     24 /* in a folder */
#define INODES    (FOLDERS * NAMES + 1)
#define SIZE_MAX_ 400000

enum outcome {
	UNKNOWN,
	DONE,
	REFUSED,
	HALF /* begun when the file system went away: its data may be anything */
};

enum kind {
	CREATE,
	WRITE,
	APPEND,
	TRUNCATE,
	PUNCH,
	CHMOD,
	XATTR,
	LINK,
	UNLINK,
	RENAME,
	RENAME_FOLDER,
	SYNC,
	KINDS
};

struct inode {
	unsigned int links;
	mode_t mode;
	uint64_t xattr; /* value of user.acked; 0: none */
	bool doubtful;  /* a write to it failed: only its attributes are known */
	bool gone;      /* its content was thrown away later: reading it may fail */
	size_t size;
	uint8_t *data;
};

struct model {
	struct inode inode[INODES];
	int name[FOLDERS][NAMES]; /* an inode, or -1 */
	int folder[FOLDERS];      /* the number in its name */
	uint64_t random;
};

struct step {
	enum kind kind;
	int folder, name, to_folder, to_name;
	int inode; /* that it is about; -1 for a folder */
	size_t off, len;
	mode_t mode;
	uint64_t seed;
};

void model_init(struct model *m, uint64_t seed);
/** What comes next. */
struct step model_next(struct model *m);
void model_apply(struct model *m, const struct step *s);
/** A content that the step leaves unknown when it fails or is cut short. */
bool step_writes(const struct step *s);
void pattern(uint8_t *out, size_t len, uint64_t seed);
void name_file(const struct model *m, int folder, int name, char out[64]);
void name_folder(const struct model *m, int folder, char out[64]);

/** Do it below the working directory; `durable`: and have it on disk. 0 or -errno. */
int step_run(const struct model *m, const struct step *s, bool durable);

/** How many things below the working directory are not as the model says. */
unsigned int model_check(const struct model *m, bool quiet);
/** The lower layer. */
int model_write(const struct model *m);

#endif
