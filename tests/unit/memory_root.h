#ifndef TEST_MEMORY_ROOT_H
#define TEST_MEMORY_ROOT_H

/* A root of one uncompressed layer that is in no store. Also for programs without
 * cmocka: what fails aborts. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "store/base/fd.h"
#include "store/root.h"

static inline void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static inline void must_add(struct cps_index_builder *b, const struct cps_tar_entry *e)
{
	must(cps_index_add(b, e, NULL) == 0, e->path);
}

/** The content of a layer: a descriptor that the root takes. */
static inline int memory_layer(const void *bytes, size_t len)
{
	int fd = memfd_create("layer", MFD_CLOEXEC);

	must(fd >= 0 && cps_write_full(fd, bytes, len) == 0, "the layer");
	return fd;
}

static inline void memory_tree(struct cps_index_builder *b, struct cps_root *root)
{
	cps_auto(cps_buf) struct cps_buf index = CPS_BUF_INIT(0);
	struct cps_digest key = {0};
	struct cps_tree_layer layer = {0};
	struct cps_index *open = NULL;

	must(cps_index_finish(b, &key, false, &index, NULL) == 0, "index");
	cps_index_builder_free(b);
	must(cps_index_open(index.data, index.len, NULL, &open, NULL) == 0, "index");
	layer.index = open;
	must(cps_tree_merge(&layer, 1, &key, &root->mem, NULL) == 0, "merge");
	cps_index_close(open);
	must(cps_tree_open(root->mem.data, root->mem.len, NULL, &root->tree, NULL) == 0,
	     "tree");
}

/** Takes the builder and the content, of `size` bytes. */
static inline struct cps_root *memory_root(struct cps_index_builder *b, int content,
					   uint64_t size)
{
	struct cps_root *root = calloc(1, sizeof(*root));
	struct cps_blob blob = {.fd = content, .size = size};

	must(root && b, "root");
	memory_tree(b, root);
	root->image = calloc(1, sizeof(*root->image));
	root->image->layers = calloc(1, sizeof(*root->image->layers));
	root->image->layer_count = 1;
	root->image->layers[0].blob.fd = -1;
	root->image->layers[0].created_by = strdup("COPY . /");
	must(cps_cache_new(1u << 20, 0, &root->cache, NULL) == 0, "cache");
	root->contents = calloc(1, sizeof(struct cps_content *));
	root->content_count = 1;
	must(cps_content_open(root->cache, &blob, NULL, &root->contents[0], NULL) == 0,
	     "content");
	return root;
}

#endif
