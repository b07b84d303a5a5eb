/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

#include "ops/dispatch.h"

#include "ops/reference.h"
#include "tests/ops/device.h"

/* Slots of experts drawn from 0, step, 2 step ... below `experts`. */
static void check_dispatch(size_t slot_count, size_t experts, size_t step)
{
    uint64_t random = slot_count + experts;
    int32_t *ids = calloc(slot_count, sizeof *ids), *slots = calloc(slot_count, sizeof *slots);
    int32_t *offsets = calloc(experts + 1, sizeof *offsets);
    for (size_t i = 0; i < slot_count; i++)
        ids[i] = (int32_t)(test_random(&random) % divide_up(experts, step) * step);
    reference_dispatch(offsets, slots, ids, slot_count, experts);
    dispatch_op op;
    CHECK_OK(dispatch_create(&op, test_device()));
    buffer *id_buffer = test_buffer(ids, slot_count * sizeof *ids);
    buffer *slot_buffer = test_poisoned_buffer(slot_count * sizeof *slots);
    buffer *offset_buffer = test_poisoned_buffer((experts + 1) * sizeof *offsets);
    CHECK_OK(dispatch_slots(&op, offset_buffer, slot_buffer, id_buffer, slot_count, experts));
    int32_t *got_slots = test_read(slot_buffer), *got_offsets = test_read(offset_buffer);
    assert_memory_equal(got_offsets, offsets, (experts + 1) * sizeof *offsets);
    assert_memory_equal(got_slots, slots, slot_count * sizeof *slots);
    buffer_free(id_buffer);
    buffer_free(slot_buffer);
    buffer_free(offset_buffer);
    free(ids);
    free(slots);
    free(offsets);
    free(got_slots);
    free(got_offsets);
}

static void slots_are_grouped_and_ascending_at_awkward_sizes(void **state)
{
    (void)state;
    static const size_t slots[] = {1, 3, 8, 63, 64, 65, 257, 2048};
    static const size_t experts[] = {1, 2, 7, 16, 256};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        for (size_t j = 0; j < sizeof experts / sizeof *experts; j++)
            check_dispatch(slots[i], experts[j], 1);
}

static void an_expert_with_no_token_in_a_batch_has_an_empty_list(void **state)
{
    (void)state;
    check_dispatch(40, 16, 3);
    check_dispatch(100, 256, 255); /* the first and the last alone */
    check_dispatch(5, 9, 9);       /* the first alone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_grouped_and_ascending_at_awkward_sizes),
        cmocka_unit_test(an_expert_with_no_token_in_a_batch_has_an_empty_list),
    };
    TEST_ON_SHAPES(tests);
}
