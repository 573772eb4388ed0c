// Linux control groups, version 2 (cpu.max) and 1 (cpu.cfs_quota_us). A limit holds for all groups below the one that
// sets it, so the tightest one on the way up counts.
#include "quota.h"

#include <fstream>

namespace pynn {
namespace {

void tighten(double& quota, double microseconds, double period) {
    if (microseconds <= 0 || period <= 0) return;  // -1: no limit
    const double share = microseconds / period;
    if (quota == 0 || share < quota) quota = share;
}

void read_group(double& quota, const std::string& folder) {
    double microseconds = 0, period = 0;
    if (std::ifstream file(folder + "/cpu.max"); file >> microseconds >> period)  // "max 100000": no number, no limit
        tighten(quota, microseconds, period);
    std::ifstream used(folder + "/cpu.cfs_quota_us"), whole(folder + "/cpu.cfs_period_us");
    if (used >> microseconds && whole >> period) tighten(quota, microseconds, period);
}

bool names_cpu(const std::string& controllers) {
    return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

double cpu_quota(const std::string& root) {
    double quota = 0;
    std::ifstream groups(root + "/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {  // "0::/some/group" or "4:cpu,cpuacct:/some/group"
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        if (!controllers.empty() && !names_cpu(controllers)) continue;
        const std::string base = root + "/sys/fs/cgroup";
        const bool unified = controllers.empty();  // version 2
        for (const std::string& mount :
             {base + (unified ? "" : "/" + controllers), base + (unified ? "/unified" : "/cpu")}) {
            // Within a container the path may be that of the host, which is not there: the mount itself is asked too.
            std::string path = line.substr(second + 1);
            for (std::size_t end = path.size(); end != std::string::npos; end = path.rfind('/')) {
                path.resize(end);
                read_group(quota, mount + path);
            }
        }
    }
    return quota;
}

}  // namespace pynn
