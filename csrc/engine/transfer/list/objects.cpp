#include "engine/transfer/list/objects.h"

#include <mutex>
#include <string>
#include <unordered_set>
#include <utility>

#include "engine/base/log.h"
#include "engine/transfer/call/document_call.h"
#include "engine/transfer/call/look.h"

namespace s3dlio::transfer {
namespace {

CallTraits traits_of(std::string_view operation, std::string key) {
  CallTraits traits;
  traits.operation = operation;
  traits.key = std::move(key);
  return traits;
}

}  // namespace

Error named(Error error, const Context& context, std::string_view operation, std::string_view key) {
  error.operation = operation;
  error.uri = context.dialect->uri_of(key);
  error.message = redact(error.message);
  return error;
}

Future<ObjectMeta> head(std::shared_ptr<Context> context, std::string key, std::string version_id,
                        std::string_view operation) {
  return look(std::move(context), std::move(key), std::move(version_id), operation);
}

Future<ListPage> list_page(std::shared_ptr<Context> context, ListRequest request) {
  const auto dialect = context->dialect;
  auto traits = traits_of("list", request.prefix);
  const auto shared = std::make_shared<const ListRequest>(std::move(request));
  return run_document<ListPage>(
      std::move(context), std::move(traits), [dialect, shared] { return dialect->list(*shared); },
      [dialect, shared](const http::ResponseHead&, std::string_view body) -> Reading<ListPage> {
        return reading_of(dialect->read_list(*shared, body));
      });
}

Future<Unit> create_bucket(std::shared_ptr<Context> context) {
  const auto dialect = context->dialect;
  auto traits = traits_of("create_bucket", "");
  traits.idempotent = false;  // a repeat would be told that the bucket exists
  return run_document<Unit>(
      std::move(context), std::move(traits), [dialect] { return dialect->create_bucket(); },
      [](const http::ResponseHead&, std::string_view) -> Reading<Unit> { return Unit(); });
}

Future<Unit> delete_bucket(std::shared_ptr<Context> context) {
  const auto dialect = context->dialect;
  Promise<Unit> promise;
  auto call = std::make_shared<DocumentCall<Unit>>(
      std::move(context), traits_of("delete_bucket", ""), [dialect] { return dialect->delete_bucket(); },
      [](const http::ResponseHead&, std::string_view) -> Reading<Unit> { return Unit(); },
      [promise](Result<Unit> result, const Call& ended) {
        // Gone because an earlier attempt, whose answer was lost, did it.
        const bool done_before = !result && result.error().code == ErrorCode::kBucketNotFound && ended.was_ambiguous();
        promise.set(done_before ? Result<Unit>(Unit()) : std::move(result));
      });
  promise.on_cancel([weak = std::weak_ptr<Call>(call)] {
    if (const auto running = weak.lock()) running->cancel_soon();
  });
  call->launch();
  return promise.future();
}

namespace {

constexpr int kMostEmptyPages = 1000;  // of buckets, in a row, each announcing a next one

// Page after page into one answer. No order is promised, so a list that goes round is known by a name that comes twice.
struct BucketList : std::enable_shared_from_this<BucketList> {
  std::shared_ptr<Context> context;
  Promise<std::vector<BucketInfo>> promise;
  std::mutex mutex;
  std::shared_ptr<Call> running;
  bool taken_back = false;
  std::vector<BucketInfo> all;
  std::unordered_set<std::string> names;
  int empty_pages = 0;

  struct Page {
    std::vector<BucketInfo> buckets;
    std::string next;
  };

  void ask(std::string continuation) {
    auto call = std::make_shared<DocumentCall<Page>>(
        context, traits_of("list_buckets", ""),
        [dialect = context->dialect, continuation] {
          return continuation.empty() ? dialect->list_buckets() : dialect->list_buckets_after(continuation);
        },
        [dialect = context->dialect](const http::ResponseHead&, std::string_view body) -> Reading<Page> {
          auto buckets = dialect->read_buckets(body);
          if (!buckets) return reading_of<Page>(std::move(buckets).error());
          return Page{std::move(buckets).value(), dialect->read_buckets_continuation(body)};
        },
        [self = shared_from_this(), continuation](Result<Page> page, const Call&) {
          self->take(std::move(page), continuation);
        });
    {
      std::lock_guard lock(mutex);
      running = call;
    }
    call->launch();
    if (is_taken_back()) call->cancel_soon();
  }

  void take(Result<Page> page, const std::string& asked) {
    if (!page) return end(std::move(page).error());
    empty_pages = page->buckets.empty() ? empty_pages + 1 : 0;
    bool repeats = page->next == asked && !asked.empty();
    for (BucketInfo& bucket : page->buckets) {
      repeats = !names.insert(bucket.name).second || repeats;
      all.push_back(std::move(bucket));
    }
    if (repeats) return end(bad("it names a bucket or a next page twice"));
    if (page->next.empty()) return end(std::move(all));
    if (empty_pages > kMostEmptyPages) {
      return end(bad(std::to_string(empty_pages) + " pages in a row held nothing, and each announced a next one"));
    }
    ask(page->next);
  }

  Error bad(std::string what) const {
    return named(make_error(ErrorCode::kProtocol, "the list of buckets cannot be trusted: " + std::move(what)),
                 *context, "list_buckets", "");
  }

  void end(Result<std::vector<BucketInfo>> result) {
    {
      std::lock_guard lock(mutex);
      running.reset();  // it holds us
    }
    promise.set(std::move(result));
  }

  bool is_taken_back() {
    std::lock_guard lock(mutex);
    return taken_back;
  }

  void cancel() {
    std::lock_guard lock(mutex);
    taken_back = true;
    if (running) running->cancel_soon();
  }
};

}  // namespace

Future<std::vector<BucketInfo>> list_buckets(std::shared_ptr<Context> context) {
  auto list = std::make_shared<BucketList>();
  list->context = std::move(context);
  auto future = list->promise.future();
  list->promise.on_cancel([weak = std::weak_ptr<BucketList>(list)] {
    if (const auto self = weak.lock()) self->cancel();
  });
  list->ask("");
  return future;
}

}  // namespace s3dlio::transfer
