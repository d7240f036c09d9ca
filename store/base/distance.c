#include "store/base/distance.h"

#include <stdint.h>
#include <string.h>

/* Row by row of the usual table: row[j] is the distance of what was seen of `a` from
 * the first j bytes of `b`. */
size_t cps_distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[CPS_DISTANCE_LEN_MAX + 1];

	if (la > CPS_DISTANCE_LEN_MAX || lb > CPS_DISTANCE_LEN_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}
