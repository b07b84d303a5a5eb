/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The hadal authors */

/* What generation asks of a session beyond hadal.h. */

#ifndef HADAL_SESSION_SESSION_H
#define HADAL_SESSION_SESSION_H

#include "hadal.h"

/* Tokens that the caches hold at most. */
size_t session_context(const hadal_session *session);

/* The model's description; lives as long as the model. */
const hadal_model_info *session_model(const hadal_session *session);

#endif
