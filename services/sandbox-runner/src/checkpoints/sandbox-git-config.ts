// The configuration of a session's private git directory: nothing of the user's, the machine's or the image's changes what is recorded.
// Nothing of it is synced to disk: what counts is in the artifact store, and a sync waits for all that others write.

/** @param objectFormat as git names it */
export function privateConfiguration(objectFormat: 'sha1' | 'sha256'): string {
  const extension = objectFormat === 'sha256' ? '[extensions]\n\tobjectFormat = sha256\n' : '';
  return `[core]
	repositoryFormatVersion = ${objectFormat === 'sha256' ? 1 : 0}
	bare = false
	fileMode = true
	symlinks = true
	ignoreCase = false
	precomposeUnicode = false
	autocrlf = false
	safecrlf = false
	fsmonitor = false
	untrackedCache = false
	splitIndex = false
	sparseCheckout = false
	hooksPath = /dev/null
	excludesFile = /dev/null
	attributesFile = /dev/null
	logAllRefUpdates = false
	fsync = none
	commitGraph = false
	multiPackIndex = false
	looseCompression = 1
	bigFileThreshold = 16m
[pack]
	threads = 1
	windowMemory = 64m
	useBitmaps = false
	writeReverseIndex = false
[gc]
	auto = 0
${extension}`;
}
