// The share of the processors that a container gives to this process.
#pragma once
#include <string>

namespace pynn {

// Processors that the control groups of this process allow, as a fraction, or 0 where none sets a limit (or the system
// has no control groups). `root` is the folder that holds proc/ and sys/.
double cpu_quota(const std::string& root);

}  // namespace pynn
