// list_page: one page at a time; s3dlio_core reads one page ahead.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bind.h"
#include "number.h"
#include "pending.h"
#include "values.h"

namespace s3dlio::python {
namespace {

using namespace nb::literals;

Pending list_page(NativeStore& store, const std::string& prefix, std::string delimiter, const std::string& start_after,
                  std::string continuation_token, Number max_keys) {
  ListRequest request;
  request.prefix = store.full_prefix(prefix);
  request.delimiter = std::move(delimiter);
  if (!start_after.empty()) request.start_after = store.full_prefix(start_after);
  request.continuation_token = std::move(continuation_token);
  request.max_keys = max_keys.get_as<uint32_t>("max_keys");
  return make_pending(store.engine().list_page(std::move(request)), [make_meta = MetaMaker(store)](ListPage&& listed) {
    nb::list objects;
    for (ObjectMeta& meta : listed.objects) objects.append(nb::cast(make_meta(std::move(meta))));
    for (std::string& folded : listed.common_prefixes) folded.erase(0, make_meta.prefix.size());
    return nb::cast(Page{objects, std::move(listed.common_prefixes), std::move(listed.continuation_token)});
  });
}

}  // namespace

void bind_list(nb::module_&, StoreClass& store) {
  store.def("list_page", &list_page, "prefix"_a, "delimiter"_a, "start_after"_a, "continuation_token"_a,
            "max_keys"_a = Number{1000},
            nb::sig("def list_page(self, prefix: str, delimiter: str, start_after: str, continuation_token: str, "
                    "max_keys: int = 1000) -> Pending[ListPage]"));
}

}  // namespace s3dlio::python
