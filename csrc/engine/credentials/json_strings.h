// The strings of a JSON object, which is all that the services that hand out credentials answer with.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/base/result.h"

namespace s3dlio {

// The members of the outermost object whose value is a string; other values must be sound JSON and are left out.
// kProtocol: it is no JSON object, is deeper than 32 levels, or is cut off. The error quotes nothing of it.
Result<std::map<std::string, std::string, std::less<>>> json_strings(std::string_view text);

}  // namespace s3dlio
