/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/*
 * test_npy FILE REFERENCE TOLERANCE, for shell tests: compares the last rows of a float32 matrix in FILE with all rows
 * of the matrix in REFERENCE. Exit status 1 when a row's largest value stands elsewhere, or when the norm of the
 * difference exceeds TOLERANCE times the norm of the reference's row. Prints what it found.
 */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct matrix {
    size_t rows, columns;
    float *values;
} matrix;

/* Reads what npy.c of the command and NumPy write: format version 1.0, little endian, row by row. */
static int read_matrix(matrix *m, const char *path)
{
    unsigned char prefix[10];
    char header[65536];
    FILE *file = fopen(path, "rb");
    if (!file || fread(prefix, 1, sizeof prefix, file) != sizeof prefix || memcmp(prefix, "\x93NUMPY\x01", 8) != 0)
        return 0;
    size_t length = prefix[8] + 256U * prefix[9];
    if (length >= sizeof header || fread(header, 1, length, file) != length || (length + sizeof prefix) % 64 != 0)
        return 0;
    header[length] = '\0';
    const char *shape = strstr(header, "'shape': (");
    if (!shape || !strstr(header, "'descr': '<f4'") || !strstr(header, "'fortran_order': False") ||
        sscanf(shape, "'shape': (%zu, %zu)", &m->rows, &m->columns) != 2)
        return 0;
    m->values = calloc(m->rows * m->columns, sizeof *m->values);
    int whole = m->values && fread(m->values, m->columns * sizeof *m->values, m->rows, file) == m->rows &&
                fgetc(file) == EOF;
    fclose(file);
    return whole;
}

static size_t argmax(const float *row, size_t columns)
{
    size_t best = 0;
    for (size_t i = 1; i < columns; i++) {
        if (row[i] > row[best])
            best = i;
    }
    return best;
}

static double relative_error(const float *row, const float *reference, size_t columns)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < columns; i++) {
        difference += ((double)row[i] - (double)reference[i]) * ((double)row[i] - (double)reference[i]);
        norm += (double)reference[i] * (double)reference[i];
    }
    return sqrt(difference / norm);
}

int main(int argc, char **argv)
{
    matrix m, reference;
    if (argc != 4 || !read_matrix(&m, argv[1]) || !read_matrix(&reference, argv[2]) ||
        m.columns != reference.columns || m.rows < reference.rows) {
        puts("the files are not matrices that can be compared");
        return 1;
    }
    double worst = 0, tolerance = strtod(argv[3], NULL);
    size_t moved = 0;
    for (size_t i = 0; i < reference.rows; i++) {
        const float *row = m.values + (m.rows - reference.rows + i) * m.columns;
        const float *wanted = reference.values + i * m.columns;
        double error = relative_error(row, wanted, m.columns);
        worst = error <= worst ? worst : error; /* a NAN stays */
        moved += argmax(row, m.columns) != argmax(wanted, m.columns);
    }
    printf("%zu of %zu rows compared: largest relative error %.3g, %zu rows with another largest value\n",
           reference.rows, m.rows, worst, moved);
    free(m.values);
    free(reference.values);
    return worst <= tolerance && moved == 0 ? 0 : 1;
}
