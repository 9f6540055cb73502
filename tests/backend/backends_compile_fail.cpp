// expect: the backend of the model lacks .using Memory => Nowhere
// expect: the backend of the model lacks .static constexpr const char. name => Nameless
// expect: the backend of the model lacks .fill\( => WithoutFill
// expect: the backend of the model lacks .copy\( => WithoutCopy
// expect: the backend of the model lacks .to_host\( => WithoutToHost
// expect: the backend of the model lacks .from_host\( => WithoutFromHost
// expect: the backend of the model lacks .map\( => WithoutMap
// expect: the backend of the model lacks .map_2d\( => WithoutMap2d
// expect: the backend of the model lacks .sum\( => WithoutSum
// expect: the backend of the model lacks .reduce_rows\( => WithoutReduceRows
// expect: the backend of the model lacks .reduce_columns\( => WithoutReduceColumns
// expect: the backend of the model lacks .map_arrays\( => WithoutMapArrays
// expect: the backend of the model lacks .sum_arrays\( => WithoutSumArrays
// expect: the backend of the model lacks .gemm\( => WithoutGemm
// expect: the backend of the model lacks .gemm_batched\( => WithoutGemmBatched
// expect: the backend of the model lacks .layer_norm\( => WithoutLayerNorm
// expect: the backend of the model lacks .layer_norm_reverse\( => WithoutLayerNormReverse
// expect: the backend of the model lacks .attention\( => WithoutAttention
// expect: the backend of the model lacks .attention_reverse\( => WithoutAttentionReverse
// expect: the backend of the model lacks .segment_pool\( => WithoutSegmentPool
// expect: the backend of the model lacks .segment_pool_reverse\( => WithoutSegmentPoolReverse
// expect: the backend of the model lacks .contrastive\( => WithoutContrastive
// expect: the backend of the model lacks .contrastive_reverse\( => WithoutContrastiveReverse
// Backends without a member, one for each of the contract. What each lacks is what it hides of a backend that has everything.
#include "ramer/backend/detail/check_backend.hpp"
#include "ramer/backend/reference.hpp"

using namespace ramer;

class Nowhere : public backend::Reference {
  using Memory = HostMemory;  // private
};
class Nameless : public backend::Reference {
 public:
  static constexpr int name = 1;
};
#define WITHOUT(backend_name, member)              \
  class backend_name : public backend::Reference { \
    void member() const {}                         \
  };                                               \
  template struct backend::detail::CheckBackend<backend_name, float>
WITHOUT(WithoutFill, fill);
WITHOUT(WithoutCopy, copy);
WITHOUT(WithoutToHost, to_host);
WITHOUT(WithoutFromHost, from_host);
WITHOUT(WithoutMap, map);
WITHOUT(WithoutMap2d, map_2d);
WITHOUT(WithoutSum, sum);
WITHOUT(WithoutReduceRows, reduce_rows);
WITHOUT(WithoutReduceColumns, reduce_columns);
WITHOUT(WithoutMapArrays, map_arrays);
WITHOUT(WithoutSumArrays, sum_arrays);
WITHOUT(WithoutGemm, gemm);
WITHOUT(WithoutGemmBatched, gemm_batched);
WITHOUT(WithoutLayerNorm, layer_norm);
WITHOUT(WithoutLayerNormReverse, layer_norm_reverse);
WITHOUT(WithoutAttention, attention);
WITHOUT(WithoutAttentionReverse, attention_reverse);
WITHOUT(WithoutSegmentPool, segment_pool);
WITHOUT(WithoutSegmentPoolReverse, segment_pool_reverse);
WITHOUT(WithoutContrastive, contrastive);
WITHOUT(WithoutContrastiveReverse, contrastive_reverse);
template struct backend::detail::CheckBackend<Nowhere, float>;
template struct backend::detail::CheckBackend<Nameless, float>;
