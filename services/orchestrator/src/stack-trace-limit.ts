// Loaded into the workflows' context before any workflow, where Error cannot be changed later.
//
// The SDK records the stack of every promise that a workflow makes, for `temporal workflow stack`; mapped back to the sources this is
// half of what a workflow task costs. One frame is enough to find where an error was thrown.

Error.stackTraceLimit = 1;
