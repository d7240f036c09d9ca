/* A tree file from anybody: what opens can be read to its last byte. */
#include <stdint.h>

#include "tree_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cps_auto(cps_tree_close) struct cps_tree *tree = NULL;
	cps_auto(cps_free) uint8_t *file = sealed_copy(data, size);

	if (!file || cps_tree_open(file, size, NULL, &tree, NULL) < 0)
		return 0;
	cps_tree_verify(tree, NULL);
	read_tree(tree);
	return 0;
}
