/// The layers that configurations know, besides `block`, which is written out where it is read, and activation functions.
package enum LayerCatalog {
  package static let layers: [any ConfigurableLayer.Type] = [
    Dense.self,
    Conv2D.self, Conv1D.self, DepthwiseConv2D.self, SeparableConv2D.self, SeparableConv1D.self, Conv2DTranspose.self,
    Conv1DTranspose.self,
    MaxPooling2D.self, AveragePooling2D.self, MaxPooling1D.self, AveragePooling1D.self,
    GlobalAveragePooling2D.self, GlobalMaxPooling2D.self, GlobalAveragePooling1D.self, GlobalMaxPooling1D.self,
    Flatten.self, Reshaping.self, Permute.self, RepeatVector.self,
    UpSampling2D.self, UpSampling1D.self,
    ZeroPadding2D.self, ZeroPadding1D.self, Cropping2D.self, Cropping1D.self,
    Dropout.self, SpatialDropout2D.self, SpatialDropout1D.self, GaussianNoise.self, GaussianDropout.self,
    Rescaling.self, Activation.self, LeakyReLU.self, PReLU.self, BatchNormalization.self,
    LayerNormalization.self, GroupNormalization.self, RMSNormalization.self,
    MultiHeadAttention.self, SinePositionEncoding.self, PositionEmbedding.self, TransformerEncoder.self,
    Embedding.self, SimpleRNN.self, LSTM.self, GRU.self, Bidirectional.self, Add.self, Multiply.self, Concatenate.self,
    Dot.self, Shared.self,
    Residual.self, Repeat.self,
  ]
}
