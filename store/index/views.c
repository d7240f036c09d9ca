/* Layers as they are: one alone, or each in a folder of its own. */
#include <string.h>
#include <sys/stat.h>

#include "store/index/merge.h"

int cps_tree_single(const struct cps_tree_layer *layer, uint16_t ordinal,
		    struct cps_buf *out, struct cps_err *err)
{
	struct cps_merge m;
	int rc = cps_merge_init(&m, 1, out, err);

	m.raw = true;
	if (rc == 0)
		rc = cps_merge_source(&m, layer, ordinal);
	if (rc == 0)
		rc = cps_merge_run(&m, NULL);
	cps_merge_release(&m);
	return rc;
}

int cps_tree_frames(const struct cps_tree_frame *frames, size_t count,
		    struct cps_buf *out, struct cps_err *err)
{
	struct cps_merge m;
	int rc = cps_merge_init(&m, count, out, err);

	m.raw = true;
	m.frames = frames;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = cps_merge_source(&m, &frames[i].layer, (uint16_t)i);
	if (rc == 0)
		rc = cps_merge_run(&m, NULL);
	cps_merge_release(&m);
	return rc;
}

/* ---- folders that no layer has ---- */

static int put_frame(struct cps_merge *m, const struct cps_tree_frame *frame,
		     uint32_t order)
{
	size_t len = strlen(frame->name);
	int64_t folder = cps_merge_folder(m, 0, frame->name, (uint16_t)len);
	const struct cps_mchild child = {
		.source = CPS_NO_SOURCE,
		.ino = CPS_NONE,
		.folder = (uint32_t)folder,
		.order = order,
	};

	if (folder < 0)
		return (int)folder;
	m->folders[folder].frame = frame;
	return cps_merge_child(m, frame->name, len, &child);
}

int cps_merge_frames(struct cps_merge *m)
{
	int rc = 0;

	for (uint32_t i = 0; i < m->source_count && rc == 0; i++)
		rc = put_frame(m, &m->frames[i], i);
	return rc;
}

static int put_note(struct cps_merge *m, const struct cps_tree_note *note)
{
	struct cps_mchild child = {
		.source = CPS_NO_SOURCE,
		.ino = CPS_NONE,
		.folder = CPS_NONE,
		.mode = S_IFREG | 0444,
		.text_len = (uint32_t)strlen(note->text),
	};
	int rc = cps_merge_string(m, note->text, child.text_len, &child.text);

	return rc < 0 ? rc : cps_merge_child(m, note->name, strlen(note->name), &child);
}

static int put_files(struct cps_merge *m, uint32_t above, uint16_t source)
{
	static const char name[] = "files";
	int64_t folder = cps_merge_folder(m, above, name, sizeof(name) - 1);
	const struct cps_mchild child = {
		.source = source,
		.ino = cps_merge_describes(m, source, 0) ? 0 : CPS_NONE,
		.folder = (uint32_t)folder,
	};
	int rc = folder < 0 ? (int)folder
			    : cps_merge_over(m, (uint32_t)folder, source, 0);

	return rc < 0 ? rc : cps_merge_child(m, name, sizeof(name) - 1, &child);
}

int cps_merge_frame(struct cps_merge *m, uint32_t folder)
{
	const struct cps_tree_frame *frame = m->folders[folder].frame;
	int rc = put_files(m, folder, (uint16_t)(frame - m->frames));

	for (size_t i = 0; i < frame->note_count && rc == 0; i++)
		rc = put_note(m, &frame->notes[i]);
	return rc;
}
