/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What generation asks of a session beyond hadal.h. */

#ifndef HADAL_SESSION_SESSION_H
#define HADAL_SESSION_SESSION_H

#include "hadal.h"

/* Tokens that the caches hold at most. */
size_t session_context(const hadal_session *session);

/* Has the device begin with the step of a token and with its logits, and doesn't wait. Until session_join the session
 * is as it was before, and without it, as if nothing had begun. */
HADAL_CHECKED hadal_status session_start(hadal_session *session, int32_t token);

/* Waits for what session_start began: the token is fed. */
HADAL_CHECKED hadal_status session_join(hadal_session *session);

/* The model's description; lives as long as the model. */
const hadal_model_info *session_model(const hadal_session *session);

#endif
