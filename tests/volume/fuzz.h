/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Fuzz targets of volume/: each fuzz-NAME.c defines LLVMFuzzerTestOneInput. With -Dfuzz=true they
 * are libFuzzer programs (./check --fuzz); without, fuzz-main.c runs them over the corpus and over a fixed number of
 * changed copies of each of its files, the same every time. */

#include <glib.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* The path of a file in memory with these contents; close with fuzz_file_close (). */
char *fuzz_file_open (const uint8_t *data, size_t size, int *fd);
void fuzz_file_close (char *path, int fd);
