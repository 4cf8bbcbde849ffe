#pragma once

/**
 * Whether the native library can be called. On Windows the module loads it, and the first call into one that was not
 * loaded would end the game: who gets false calls nothing of it.
 */
bool IsTinyfaceLibraryLoaded();
