/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/*
 * hadal: DeepSeek-V3.2-class language models on any OpenCL device.
 *
 * Data flows one way: a directory of weights becomes a model on a device, a session is one timeline of
 * tokens over a model, a sampler picks tokens, a tokenizer turns text into tokens and back.
 *
 * Rules that hold for every function here:
 *  - Functions that can fail return a hadal_status; hadal_error_message() then holds one line that says
 *    what failed, where, what was expected and what to do. The library never prints and never exits.
 *  - Whoever creates destroys: each _open/_load/_create has one _close/_free, which accepts NULL.
 *  - Out-parameters come first and are set to NULL or zero on failure.
 *  - Objects are not thread safe: one thread at a time uses a device and what was made on it.
 *    Different devices, and tokenizers after loading, may be used by different threads at once.
 *  - Text is UTF-8, given as pointer and length in bytes; it may contain NUL bytes.
 */

#ifndef HADAL_H
#define HADAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HADAL_API __attribute__((visibility("default")))
#define HADAL_CHECKED __attribute__((warn_unused_result))
#else
#define HADAL_API
#define HADAL_CHECKED
#endif

/* ---- Status ------------------------------------------------------------------------------------- */

typedef enum hadal_status {
    HADAL_OK = 0,
    HADAL_ERROR_ARGUMENT,      /* the caller passed something that cannot work */
    HADAL_ERROR_DATA,          /* a file or text holds something wrong */
    HADAL_ERROR_INPUT,         /* a file cannot be opened or is not there */
    HADAL_ERROR_NO_DEVICE,     /* no usable OpenCL device */
    HADAL_ERROR_INTERNAL,      /* a bug, here or in the driver */
    HADAL_ERROR_HOST_MEMORY,   /* out of host memory */
    HADAL_ERROR_IO,            /* reading or writing failed */
    HADAL_ERROR_DEVICE_MEMORY, /* out of device memory, or the device is lost or busy */
    HADAL_STOPPED              /* a callback asked to stop; nothing failed */
} hadal_status;

/* The message of this thread's last failed call: one line, no newline. Valid until the thread's next call. */
HADAL_API const char *hadal_error_message(void);

/* The version of the library, for example "0.1.0". Static. */
HADAL_API const char *hadal_version(void);

/* Called during long work, done of total units (bytes or tokens, as stage says). Return false to stop: the
 * call that is under way then returns HADAL_STOPPED. May be NULL. */
typedef bool (*hadal_progress)(void *user, const char *stage, uint64_t done, uint64_t total);

/* ---- Devices ------------------------------------------------------------------------------------ */

typedef struct hadal_device hadal_device;

typedef enum hadal_device_kind {
    HADAL_DEVICE_CPU,
    HADAL_DEVICE_GPU,
    HADAL_DEVICE_ACCELERATOR
} hadal_device_kind;

/* How products of matrices are computed. FAST: on the device's matrix units where hadal knows them, operands rounded to
 * 16 bits (index scores stay exact integers), sums in float32. EXACT: everything in float32. */
typedef enum hadal_precision { HADAL_PRECISION_FAST, HADAL_PRECISION_EXACT } hadal_precision;

/* What a device is and what it can do. Code paths follow from these fields, never from a name. */
typedef struct hadal_device_info {
    size_t index;          /* position in hadal_device_list, what --device takes */
    char name[128];        /* CL_DEVICE_NAME */
    char vendor[64];       /* CL_DEVICE_VENDOR */
    char platform[128];    /* CL_PLATFORM_NAME */
    char version[128];     /* CL_DEVICE_VERSION */
    char driver[128];      /* CL_DRIVER_VERSION */
    hadal_device_kind kind;
    bool usable;           /* compiler available, little endian, OpenCL 1.2 or newer */
    char unusable_reason[128];
    uint64_t memory_bytes;             /* CL_DEVICE_GLOBAL_MEM_SIZE */
    uint64_t largest_allocation_bytes; /* CL_DEVICE_MAX_MEM_ALLOC_SIZE */
    uint64_t local_memory_bytes;       /* CL_DEVICE_LOCAL_MEM_SIZE */
    uint32_t compute_units;
    uint32_t max_group_size;           /* work-items in a work-group */
    uint32_t native_vector_width;      /* CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT: 1 on most GPUs, 4..16 on CPUs */
    bool unified_memory;               /* host and device share one memory */
    bool half_arithmetic;              /* cl_khr_fp16; reading half values never needs it */
    bool double_arithmetic;            /* cl_khr_fp64; never needed */
    bool subgroups;                    /* cl_khr_subgroups or cl_intel_subgroups */
    bool command_buffer;               /* cl_khr_command_buffer */
    bool integer_dot;                  /* cl_khr_integer_dot_product */
    const char *lane_path;             /* how lanes exchange values: "single", "local", "subgroup", "ptx" */
    uint32_t compute_capability;       /* NVIDIA: 10 * major + minor, 0 elsewhere */
    const char *matrix_unit;           /* its matrix instruction: "none", "nvidia wgmma", "nvidia mma", "amd mfma",
                                        * "amd wmma11", "amd wmma12", "intel dpas8", "intel dpas16" */
    hadal_precision precision;         /* of an open device: FAST if its matrix units take products */
    char matrix_unit_failure[192];     /* why they don't, or not index scores or attention: the first self-test of
                                        * theirs that failed; else "" */
    uint32_t tuned;                    /* sizes of kernels that hadal_bench_tune found better than the usual ones */
    char tuning_file[512];             /* where it keeps them for this device; "": there is no such place */
    char tuning_failure[640];          /* why what is there is not used; else "" */
} hadal_device_info;

/* All devices of all platforms, in platform order. *list is freed with hadal_device_list_free. No device is
 * HADAL_OK with *count 0; no platform or ICD loader likewise. */
HADAL_API HADAL_CHECKED hadal_status hadal_device_list(hadal_device_info **list, size_t *count);
HADAL_API void hadal_device_list_free(hadal_device_info *list);

typedef struct hadal_device_options {
    const char *selector;   /* an index, or part of a device's or platform's name, ignoring case; NULL: the GPU with
                             * most memory, else any device */
    hadal_precision precision;
    bool profile;           /* time every kernel launch; slows the host down */
    uint64_t largest_allocation_bytes; /* lowers the device's own limit when not 0 */
    const char *kernel_directory; /* NULL: found as documented in hadal(1) */
    const char *cache_directory;  /* of compiled kernels; NULL: $XDG_CACHE_HOME/hadal or ~/.cache/hadal; "": none */
} hadal_device_options;

/* Opens a device: context, queue, kernel sources. options may be NULL. */
HADAL_API HADAL_CHECKED hadal_status hadal_device_open(hadal_device **device, const hadal_device_options *options);
HADAL_API void hadal_device_close(hadal_device *device);

/* The record of an open device; owned by the device. */
HADAL_API const hadal_device_info *hadal_device_describe(const hadal_device *device);

/* Bytes of device memory allocated on this device now. */
HADAL_API uint64_t hadal_device_allocated(const hadal_device *device);

/* Called once a self-test: its name, whether it passed, the largest error relative to its tolerance, and a
 * line of detail. */
typedef void (*hadal_self_test_report)(void *user, const char *name, bool passed, double error, const char *detail);

/* Runs every kernel family on small known data and compares with plain C. *failed counts failures. */
HADAL_API HADAL_CHECKED hadal_status hadal_device_self_test(hadal_device *device, size_t *failed,
                                                           hadal_self_test_report report, void *user);

/* One row a kernel of what ran since the device was opened or the profile was reset. */
typedef struct hadal_profile_row {
    const char *kernel;  /* static */
    const char *phase;   /* "prefill", "decode" or "load"; static */
    uint64_t launches;
    double seconds;      /* on the device; 0 when not opened with profile */
    uint64_t bytes;      /* counted by the launcher: what must be read and written at least */
    uint64_t operations; /* counted by the launcher: multiplies and adds */
} hadal_profile_row;

/* *rows is freed with free(). Waits for the device. Rows are sorted by time, or by name when not profiling. */
HADAL_API HADAL_CHECKED hadal_status hadal_device_profile(hadal_device *device, hadal_profile_row **rows,
                                                          size_t *count);
HADAL_API void hadal_device_profile_reset(hadal_device *device);

/* ---- Model -------------------------------------------------------------------------------------- */

typedef struct hadal_model hadal_model;

typedef enum hadal_linear { HADAL_LINEAR_AUTO, HADAL_LINEAR_OWN, HADAL_LINEAR_CLBLAST } hadal_linear;

typedef struct hadal_model_options {
    hadal_linear linear;     /* who multiplies large dense matrices in prefill */
    hadal_progress progress; /* stage "loading", in bytes of weights */
    void *user;
} hadal_model_options;

/* The dimensions of a model, named as in config.json. 0 where a model has none. */
typedef struct hadal_model_info {
    char model_type[64];
    char weight_format[32]; /* "fp8", "bf16", "f16", "f32" or "mixed": dtype of most matrix elements */
    uint32_t vocab_size, hidden_size, num_hidden_layers, first_k_dense_replace;
    uint32_t intermediate_size, moe_intermediate_size;
    uint32_t num_attention_heads, q_lora_rank, kv_lora_rank;
    uint32_t qk_nope_head_dim, qk_rope_head_dim, v_head_dim;
    uint32_t index_n_heads, index_head_dim, index_topk;
    uint32_t n_routed_experts, n_shared_experts, num_experts_per_tok, n_group, topk_group;
    uint32_t max_position_embeddings;
    int32_t bos_token_id, eos_token_id; /* -1: none */
    uint64_t parameters;        /* without the multi-token-prediction layer */
    uint64_t active_parameters; /* those that one token uses */
} hadal_model_info;

/* *directory = the model to use: `chosen` if it is not NULL, else the environment variable HADAL_MODEL, else the small
 * model that comes with hadal, of the build tree or installed. Freed with free(). HADAL_ERROR_INPUT: there is none. */
HADAL_API HADAL_CHECKED hadal_status hadal_find_model(char **directory, const char *chosen);

/* Reads config.json and the weights of an official checkpoint directory, checks every tensor, uploads them.
 * The model borrows the device, which must outlive it. options may be NULL. */
HADAL_API HADAL_CHECKED hadal_status hadal_model_load(hadal_model **model, hadal_device *device, const char *directory,
                                                     const hadal_model_options *options);

/* A model of random weights, made on the device, in the dtypes of released checkpoints: to measure speed where there is
 * no checkpoint. dims: NULL or "deepseek-v3.2-exp" for the released dimensions, else the path of a config.json. layers:
 * how many are made, 0 for all; of fewer than all at most one is dense, and a single one has experts. Progress is not
 * reported. The model borrows the device. options may be NULL. */
HADAL_API HADAL_CHECKED hadal_status hadal_model_random(hadal_model **model, hadal_device *device, const char *dims,
                                                       uint32_t layers, const hadal_model_options *options);
HADAL_API void hadal_model_free(hadal_model *model);
HADAL_API const hadal_model_info *hadal_model_describe(const hadal_model *model);

/* ---- Session ------------------------------------------------------------------------------------ */

typedef struct hadal_session hadal_session;

typedef enum hadal_attention {
    HADAL_ATTENTION_AUTO,   /* sparse where the context is longer than index_topk, else dense: the same result */
    HADAL_ATTENTION_DENSE,  /* every earlier position */
    HADAL_ATTENTION_SPARSE  /* the indexer's selection, always */
} hadal_attention;

typedef enum hadal_kv_cache { HADAL_KV_BF16, HADAL_KV_F32 } hadal_kv_cache;
typedef enum hadal_index_cache { HADAL_INDEX_INT8, HADAL_INDEX_FP8, HADAL_INDEX_F32 } hadal_index_cache;

typedef struct hadal_session_options {
    size_t context;      /* tokens that the caches hold; 0: the model's max_position_embeddings */
    size_t chunk;        /* tokens of a prefill step; 0: chosen for the device */
    hadal_attention attention;
    uint32_t index_topk; /* positions that a query selects; 0: the model's */
    hadal_kv_cache kv_cache;
    hadal_index_cache index_cache;
    size_t sequences;    /* timelines side by side, each with a context of its own; 0: 1 */
} hadal_session_options;

/* Allocates caches and activations for one timeline of tokens, or for several. The session borrows the model. options
 * may be NULL. */
HADAL_API HADAL_CHECKED hadal_status hadal_session_create(hadal_session **session, hadal_model *model,
                                                         const hadal_session_options *options);
HADAL_API void hadal_session_free(hadal_session *session);

/* Receives the logits of one position: logits[vocab_size], valid during the call. Return false to stop. */
typedef bool (*hadal_logits_callback)(void *user, size_t position, const float *logits);

typedef struct hadal_feed_options {
    hadal_logits_callback logits; /* NULL: only the last token's logits are computed */
    hadal_progress progress;      /* stage "prefill", in tokens, after each chunk */
    void *user;                   /* passed to both */
} hadal_feed_options;

/* Appends tokens[count] to the timeline (count >= 1). On success hadal_session_logits holds the logits after
 * the last token. After a failure or HADAL_STOPPED the timeline ends at the last whole chunk. options may be NULL. */
HADAL_API HADAL_CHECKED hadal_status hadal_session_feed(hadal_session *session, const int32_t *tokens, size_t count,
                                                       const hadal_feed_options *options);

/* A token and the timeline that it is appended to, from 0 to sequences - 1. */
typedef struct hadal_step_token {
    int32_t token;
    uint32_t sequence;
} hadal_step_token;

/* One step: appends tokens[count], of any of the session's timelines and in their order, at most the chunk's number of
 * tokens, and gives logits[vocab_size] of each to the callback, with its place in the list as position. Weights are
 * read once for all. After a failure or HADAL_STOPPED nothing is appended. hadal_session_feed appends to timeline 0. */
HADAL_API HADAL_CHECKED hadal_status hadal_session_step(hadal_session *session, const hadal_step_token *tokens,
                                                       size_t count, hadal_logits_callback logits, void *user);

/* Tokens in one of the timelines now; 0 when there is no such. */
HADAL_API size_t hadal_session_length_of(const hadal_session *session, uint32_t sequence);

/* Logits after the last token fed: float[vocab_size], owned by the session, valid until the next feed. */
HADAL_API const float *hadal_session_logits(const hadal_session *session);

/* Tokens in the timeline now. */
HADAL_API size_t hadal_session_length(const hadal_session *session);

/* Drops all tokens from position length on (length <= hadal_session_length). */
HADAL_API void hadal_session_truncate(hadal_session *session, size_t length);

/* ---- Sampler ------------------------------------------------------------------------------------ */

typedef struct hadal_sampler hadal_sampler;

/* Steps, in this order, as llama.cpp's: repeat penalty, top-k, top-p, min-p, temperature, draw. */
typedef struct hadal_sampler_options {
    float temperature;    /* 0: always the most likely token, lowest id among equals */
    float top_p;          /* 1: off */
    float min_p;          /* 0: off */
    uint32_t top_k;       /* 0: off */
    float repeat_penalty; /* 1: off; divides positive and multiplies negative logits of recent tokens */
    uint32_t repeat_last; /* how many tokens back the penalty looks; 0: 64 */
    uint64_t seed;
} hadal_sampler_options;

HADAL_API HADAL_CHECKED hadal_status hadal_sampler_create(hadal_sampler **sampler, uint32_t vocab_size,
                                                         const hadal_sampler_options *options);
HADAL_API void hadal_sampler_free(hadal_sampler *sampler);

/* Tells the sampler of a token in the context, for the repeat penalty. */
HADAL_API void hadal_sampler_accept(hadal_sampler *sampler, int32_t token);

/* Picks a token from logits[vocab_size]. *logprob (may be NULL) is its natural log-probability under the
 * unmodified logits. Same seed and logits, same tokens, on every machine. */
HADAL_API HADAL_CHECKED hadal_status hadal_sampler_pick(hadal_sampler *sampler, const float *logits, int32_t *token,
                                                       double *logprob);

/* Natural log-probability of a token under logits[vocab_size]. */
HADAL_API double hadal_log_probability(const float *logits, uint32_t vocab_size, int32_t token);

/* ---- Text --------------------------------------------------------------------------------------- */

typedef struct hadal_tokenizer hadal_tokenizer;

/* Reads tokenizer.json and tokenizer_config.json of a model directory. */
HADAL_API HADAL_CHECKED hadal_status hadal_tokenizer_load(hadal_tokenizer **tokenizer, const char *directory);
HADAL_API void hadal_tokenizer_free(hadal_tokenizer *tokenizer);

/* A growing list of token ids; start with {0}, release with hadal_tokens_free. */
typedef struct hadal_tokens {
    int32_t *ids;
    size_t count;
    size_t capacity;
} hadal_tokens;

HADAL_API HADAL_CHECKED hadal_status hadal_tokens_append(hadal_tokens *tokens, const int32_t *ids, size_t count);
HADAL_API void hadal_tokens_free(hadal_tokens *tokens);

enum {
    HADAL_TEXT_SPECIAL = 1, /* let special tokens be recognised in the text (encode) or written out (decode) */
    HADAL_TEXT_BOS = 2      /* put the beginning-of-sentence token first, if the model uses one */
};

/* Appends the tokens of text[length] to *tokens. Invalid UTF-8 is HADAL_ERROR_DATA with the byte offset. */
HADAL_API HADAL_CHECKED hadal_status hadal_tokenize(const hadal_tokenizer *tokenizer, hadal_tokens *tokens,
                                                   const char *text, size_t length, unsigned flags);

/* Text of tokens; *text is NUL-terminated, *length without it; freed with free(). Bytes that form no whole
 * UTF-8 character become U+FFFD. Special tokens are left out unless flags has HADAL_TEXT_SPECIAL; added tokens that
 * are not special, such as <think>, are written. An id out of range is HADAL_ERROR_DATA. */
HADAL_API HADAL_CHECKED hadal_status hadal_detokenize(const hadal_tokenizer *tokenizer, char **text, size_t *length,
                                                     const int32_t *ids, size_t count, unsigned flags);

typedef enum hadal_role { HADAL_ROLE_SYSTEM, HADAL_ROLE_USER, HADAL_ROLE_ASSISTANT } hadal_role;

typedef struct hadal_message {
    hadal_role role;
    const char *text;
    size_t length;
} hadal_message;

/* Appends the chat form of DeepSeek-V3.2-Exp, ready for the assistant's answer when the last message is not the
 * assistant's. think opens the answer with <think>, else </think>. Texts never become special tokens unless
 * flags has HADAL_TEXT_SPECIAL. */
HADAL_API HADAL_CHECKED hadal_status hadal_tokenize_chat(const hadal_tokenizer *tokenizer, hadal_tokens *tokens,
                                                        const hadal_message *messages, size_t count, bool think,
                                                        unsigned flags);

/* ---- Generation --------------------------------------------------------------------------------- */

typedef enum hadal_finish {
    HADAL_FINISH_LENGTH,     /* the token limit */
    HADAL_FINISH_EOS,        /* the model's end-of-sentence token */
    HADAL_FINISH_STOP,       /* a stop text */
    HADAL_FINISH_CONTEXT,    /* the caches are full */
    HADAL_FINISH_INTERRUPTED /* the callback returned false */
} hadal_finish;

/* One generated token. text is what became certain with it: whole UTF-8 characters, no part of a stop text;
 * often empty. With no tokenizer text is always empty. */
typedef struct hadal_token_event {
    int32_t id;
    double logprob;
    const char *text;
    size_t length;
} hadal_token_event;

/* Return false to end the generation after this token. */
typedef bool (*hadal_token_callback)(void *user, const hadal_token_event *event);

typedef struct hadal_generate_options {
    size_t max_tokens;         /* at most this many; 0: until the context is full */
    const char *const *stop;   /* stop texts, NUL-terminated */
    size_t stop_count;
    bool ignore_eos;
    bool special;              /* write special tokens out as text */
    hadal_token_callback token;
    hadal_progress progress;   /* of the prompt */
    void *user;                /* passed to both */
} hadal_generate_options;

typedef struct hadal_generate_result {
    hadal_finish finish;
    size_t prompt_tokens;
    size_t generated_tokens;
    double prefill_seconds;
    double decode_seconds;
    char *text;          /* the whole answer, NUL-terminated; freed with hadal_generate_result_free */
    size_t length;
    hadal_tokens tokens; /* the generated ids, without the end-of-sentence token */
} hadal_generate_result;

/* Feeds prompt[count] and generates. tokenizer may be NULL: then no text and no stop texts. After the last
 * token the event callback is called once more with id -1 if text was still held back. */
HADAL_API HADAL_CHECKED hadal_status hadal_generate(hadal_generate_result *result, hadal_session *session,
                                                   hadal_sampler *sampler, const hadal_tokenizer *tokenizer,
                                                   const int32_t *prompt, size_t count,
                                                   const hadal_generate_options *options);
HADAL_API void hadal_generate_result_free(hadal_generate_result *result);

/* ---- Planning ----------------------------------------------------------------------------------- */

/* One class of device buffers. */
typedef struct hadal_plan_row {
    const char *name; /* "embedding", "attention weights", ...; static */
    uint64_t bytes;
} hadal_plan_row;

typedef struct hadal_plan {
    hadal_model_info model;
    bool from_config_only;   /* no weights were there: dtypes were taken from config.json */
    uint64_t file_bytes;     /* of the weight files; 0 when from_config_only */
    size_t context, chunk;
    uint64_t weight_bytes, session_bytes; /* sums of the rows below */
    uint64_t cache_bytes_per_token;
    hadal_plan_row rows[24];
    size_t row_count;
    size_t weight_row_count; /* the first rows are weights, the rest belong to a session */
} hadal_plan;

/* What a model is and the bytes it needs, without loading it. path: a model directory or a config.json.
 * session may be NULL for the defaults; device may be NULL, else its limits are applied. CLBlast takes up to
 * 64 MiB beyond the plan if it multiplies where a matrix unit could. */
HADAL_API HADAL_CHECKED hadal_status hadal_plan_make(hadal_plan *plan, const char *path,
                                                    const hadal_session_options *session,
                                                    const hadal_device_info *device);

/* ---- Bench -------------------------------------------------------------------------------------- */

/* How fast the library's own kernels run on a device. Everything that is measured works on random data made on the
 * device; repetitions rotate over copies of weights and caches, so that caches of the device do not help. */

typedef enum hadal_bench_phase { HADAL_BENCH_DECODE = 1, HADAL_BENCH_PREFILL = 2 } hadal_bench_phase;

/* Lists may be NULL: then what the functions say. Numbers may be 0. */
typedef struct hadal_bench_options {
    const char *dims;       /* NULL or "deepseek-v3.2-exp", else the path of a config.json; not for a model */
    const size_t *contexts; /* tokens in the caches, those of the step included */
    size_t context_count;
    const size_t *batches;  /* sequences of a decode step */
    size_t batch_count;
    const size_t *tokens;   /* tokens of a step of one sequence */
    size_t token_count;
    unsigned phases;        /* hadal_bench_phase, or-ed; 0: both */
    double seconds;         /* of samples a row, after warming up; at least one is taken; 0: 0.3 */
    const char *sizes;      /* of hadal_bench_tune: those whose names begin so are tuned, others stay; NULL: all */
    uint64_t working_set;   /* bytes that repetitions rotate over at least, as far as memory allows; 0: 256 MiB */
} hadal_bench_options;

/* One measurement. A repetition is what `counted` names, once. */
typedef struct hadal_bench_row {
    const char *bench;     /* "device", "ops", "attention", "model" or "tune"; static */
    const char *name;      /* what ran, "linear q_a_proj"; static */
    const char *phase;     /* "decode", "prefill", or "" where neither; static */
    const char *counted;   /* what bytes and operations stand for, one line; valid during the call */
    const char *clock;     /* "event": the device's time of each launch; "host": the host's clock around many
                            * repetitions in a row; of single operations what shows less; "difference"; static */
    size_t context, batch, tokens; /* 0 where they have no meaning */
    double microseconds;   /* of one repetition: the median of the samples */
    double least, most;    /* microseconds of the fastest and the slowest sample */
    size_t samples;
    double launches;       /* of one repetition */
    uint64_t bytes;        /* of one repetition: what must be read and written at least */
    uint64_t operations;   /* of one repetition: multiplies and adds */
    uint64_t working_set;  /* bytes of weights or caches that repetitions rotate over; 0: no rotation */
    const char *ceiling;   /* the device's ceiling that bounds this, "read", "fp32" ...; "" for none; static */
    double share;          /* of the speed that the ceiling allows; 0 without one */
    double ratio;          /* of dense attention's time to this row's, of the usual size's when tuning; 0 where it has
                            * no meaning */
    uint32_t value;        /* of the size that is tuned; else 0 */
    bool kept;             /* it is the size's value from now on */
} hadal_bench_row;

/* Receives a row as soon as it is measured. Return false to stop: the bench then returns HADAL_STOPPED. */
typedef bool (*hadal_bench_report)(void *user, const hadal_bench_row *row);

/* The device's ceilings: "copy" and "read" (bytes), "fp32" and, on a matrix unit that kernels use, "bf16 matrix"
 * (operations), "launch" (a launch's cost to the host in enqueueing it), "launch pitch" (from one launch to the next),
 * "launch gap" (between launches on the device, when the host is ahead) and "launch event" (what the event of a launch
 * shows beyond its work). options may be NULL. */
HADAL_API HADAL_CHECKED hadal_status hadal_bench_device(hadal_device *device, const hadal_bench_options *options,
                                                       hadal_bench_report report, void *user);

/* The ceilings, then each operation of a layer by itself at the given dims, for steps of `tokens` (default 1 and 2048)
 * that end at `contexts` (default 131072). */
HADAL_API HADAL_CHECKED hadal_status hadal_bench_ops(hadal_device *device, const hadal_bench_options *options,
                                                    hadal_bench_report report, void *user);

/* The ceilings, then attention over all positions ("dense", multi-query form) against attention over the indexer's
 * selection, in its parts "index", "select" and "attend" and as a whole ("sparse"), for contexts (default 8192, 32768,
 * 65536 and 131072). Decode: a token of each of `batches` sequences (default 1, 16 and 64). Prefill: steps of `tokens`
 * (default 2048) that end at the context. */
HADAL_API HADAL_CHECKED hadal_status hadal_bench_attention(hadal_device *device, const hadal_bench_options *options,
                                                          hadal_bench_report report, void *user);

/* The ceilings, then whole steps of the model at contexts (default 4096, 32768 and 131072, as far as the model goes):
 * decode of a token with its logits of each of `batches` sequences (default 1), prefill of `tokens` (default 2048), and
 * what one layer of experts takes of each, where the model has more than one of them. */
HADAL_API HADAL_CHECKED hadal_status hadal_bench_model(hadal_model *model, const hadal_bench_options *options,
                                                      hadal_bench_report report, void *user);

/* Finds the sizes of tiles and work-groups that are fastest on this device, each over a few operations at the given
 * dims, with caches of contexts[0] (default 32768) and prefill in steps of tokens[0] (default 2048). A row each value
 * that was tried, of what changes any launch: `ratio` is how many times less time it took than the usual one, by
 * medians or by least times, whichever shows less; the best is kept from 1.02 on, in each of three comparisons. What
 * was found is used from now on by all that is made on this device, and kept in the cache directory for later openings
 * of the same device with the same driver and version of hadal (hadal_device_info.tuned). Results change by rounding
 * alone. After a failure, or when stopped, the sizes are as before. Models and sessions that were made on the device
 * before cannot be used any more. */
HADAL_API HADAL_CHECKED hadal_status hadal_bench_tune(hadal_device *device, const hadal_bench_options *options,
                                                     hadal_bench_report report, void *user);

/* Back to the usual sizes, in the cache directory too. */
HADAL_API HADAL_CHECKED hadal_status hadal_bench_tune_reset(hadal_device *device);

#ifdef __cplusplus
}
#endif

#endif
