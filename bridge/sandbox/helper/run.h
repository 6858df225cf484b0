#pragma once
// What each command's request to TensorLake starts: it hands the request to the keeper, with its
// own streams, and waits.

#include <stddef.h>

namespace sandbridge::helper {

// `words` are those of request.h; before them may stand `await=MS`: how long a keeper that is just
// being started is waited for. On standard output the lines of command-script.h come, or alone
//   n   there is no (such) keeper: nothing has been done
//   r   this operation has been started before, and what it printed is not kept any more
//   f   it could not be started; why stands on standard error
//   l   the keeper died: whether the command ended is not known
int run(const char* folder, char** words, size_t count);

}  // namespace sandbridge::helper
