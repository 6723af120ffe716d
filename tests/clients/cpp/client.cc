// Uploads and searches over gRPC, with stubs from the contracts in protos/:
//
//   client HOST:PORT upload LIBRARY FILE
//   client HOST:PORT search LIBRARY FILE
//
// AUDIOSEARCH_API_KEY is the key, where the gateway asks for one; AUDIOSEARCH_TLS_CA the
// certificates to trust, where it speaks TLS.

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

#include <grpcpp/grpcpp.h>

#include "audiosearch/gateway/v1/clip_service.grpc.pb.h"
#include "audiosearch/gateway/v1/search_service.grpc.pb.h"

namespace {

using audiosearch::catalog::v1::Clip;
using namespace audiosearch::gateway::v1;

constexpr std::size_t kChunkBytes = 256 * 1024;
constexpr std::chrono::seconds kDeadline{60};

std::string Content(std::istream& file) {
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<grpc::Channel> Connect(const std::string& target) {
  const char* ca = std::getenv("AUDIOSEARCH_TLS_CA");
  if (ca == nullptr) return grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
  std::ifstream file(ca, std::ios::binary);
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = Content(file);
  return grpc::CreateChannel(target, grpc::SslCredentials(options));
}

void Prepare(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  if (const char* key = std::getenv("AUDIOSEARCH_API_KEY")) {
    context.AddMetadata("authorization", std::string("Bearer ") + key);
  }
}

grpc::Status Upload(ClipService::Stub& clips, const std::string& library,
                    const std::string& path, std::istream& file) {
  grpc::ClientContext context;
  Prepare(context);
  UploadClipResponse answer;
  auto call = clips.UploadClip(&context, &answer);

  UploadClipRequest first;
  first.mutable_config()->set_parent("libraries/" + library);
  first.mutable_config()->mutable_clip()->set_display_name(path.substr(path.rfind('/') + 1));
  bool open = call->Write(first);
  std::string chunk(kChunkBytes, '\0');
  while (open && (file.read(chunk.data(), kChunkBytes), file.gcount() > 0)) {
    UploadClipRequest next;
    next.set_audio_chunk(chunk.data(), file.gcount());
    open = call->Write(next);  // false: the server has answered already, and Finish says what
  }
  call->WritesDone();
  grpc::Status status = call->Finish();
  if (status.ok()) {
    std::cout << answer.clip().name() << ' ' << Clip::State_Name(answer.clip().state()) << ' '
              << (answer.created() ? "created" : "existing") << '\n';
  }
  return status;
}

grpc::Status Search(SearchService::Stub& search, const std::string& library,
                    std::istream& file) {
  grpc::ClientContext context;
  Prepare(context);
  SearchClipsRequest request;
  request.mutable_config()->set_parent("libraries/" + library);
  request.mutable_config()->set_k(3);
  request.set_audio(Content(file));
  SearchClipsResponse answer;
  grpc::Status status = search.SearchClips(&context, request, &answer);
  for (const Match& match : answer.matches()) {
    std::cout << std::fixed << std::setprecision(3) << match.score() << ' '
              << match.clip().display_name() << '\n';
  }
  return status;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string command = count == 5 ? arguments[2] : "";
  if (command != "upload" && command != "search") {
    std::cerr << "usage: client HOST:PORT upload|search LIBRARY FILE\n";
    return 2;
  }
  const std::string library = arguments[3], path = arguments[4];
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::cerr << "can't read " << path << '\n';
    return 1;
  }
  const auto channel = Connect(arguments[1]);
  const grpc::Status status =
      command == "upload" ? Upload(*ClipService::NewStub(channel), library, path, file)
                          : Search(*SearchService::NewStub(channel), library, file);
  if (status.ok()) return 0;
  std::cerr << "code " << status.error_code() << ": " << status.error_message() << '\n';
  return 1;
}
