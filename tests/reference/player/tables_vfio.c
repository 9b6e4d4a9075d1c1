/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ioctls of /dev/vfio: containers, groups and devices.
 */
#include "vfio/abi.h"

#include "tables.h"

#define S struct vfio_iommu_type1_info
static const struct field info_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),	   FIELD(S, flags, FIELD_OUT),
	FIELD(S, iova_pgsizes, FIELD_OUT), FIELD(S, cap_offset, FIELD_OUT),
	FIELD(S, pad, FIELD_IN),
};
#undef S

#define S struct vfio_iommu_type1_dma_map
static const struct field map_fields[] = {
	FIELD(S, argsz, FIELD_SIZE), FIELD(S, flags, FIELD_IN), FIELD(S, vaddr, FIELD_IN),
	FIELD(S, iova, FIELD_IN),    FIELD(S, size, FIELD_IN),
};
#undef S

#define S struct vfio_iommu_type1_dma_unmap
static const struct field unmap_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
	FIELD(S, iova, FIELD_IN),
	FIELD(S, size, FIELD_OUT),
};
#undef S

struct unmap_bitmap {
	struct vfio_iommu_type1_dma_unmap unmap;
	struct vfio_bitmap bitmap;
};
#define S struct unmap_bitmap
static const struct field unmap_bitmap_fields[] = {
	FIELD_AS("argsz", S, unmap.argsz, FIELD_SIZE),
	FIELD_AS("flags", S, unmap.flags, FIELD_IN),
	FIELD_AS("iova", S, unmap.iova, FIELD_IN),
	FIELD_AS("size", S, unmap.size, FIELD_OUT),
	FIELD(S, bitmap.pgsize, FIELD_IN),
	FIELD(S, bitmap.size, FIELD_IN),
	FIELD(S, bitmap.data, FIELD_IN),
};
#undef S

#define S struct vfio_iommu_type1_dirty_bitmap
static const struct field dirty_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
};
#undef S

struct dirty_get {
	struct vfio_iommu_type1_dirty_bitmap dirty;
	struct vfio_iommu_type1_dirty_bitmap_get get;
};
#define S struct dirty_get
static const struct field dirty_get_fields[] = {
	FIELD_AS("argsz", S, dirty.argsz, FIELD_SIZE),
	FIELD_AS("flags", S, dirty.flags, FIELD_IN),
	FIELD_AS("iova", S, get.iova, FIELD_IN),
	FIELD_AS("size", S, get.size, FIELD_IN),
	FIELD_AS("bitmap.pgsize", S, get.bitmap.pgsize, FIELD_IN),
	FIELD_AS("bitmap.size", S, get.bitmap.size, FIELD_IN),
	FIELD_AS("bitmap.data", S, get.bitmap.data, FIELD_IN),
};
#undef S

#define S struct vfio_group_status
static const struct field status_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_OUT),
};
#undef S

#define S struct vfio_device_info
static const struct field device_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),	  FIELD(S, flags, FIELD_OUT),
	FIELD(S, num_regions, FIELD_OUT), FIELD(S, num_irqs, FIELD_OUT),
	FIELD(S, cap_offset, FIELD_IN),	  FIELD(S, pad, FIELD_IN),
};
#undef S

#define S struct vfio_region_info
static const struct field region_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),	 FIELD(S, flags, FIELD_OUT), FIELD(S, index, FIELD_IN),
	FIELD(S, cap_offset, FIELD_OUT), FIELD(S, size, FIELD_OUT),  FIELD(S, offset, FIELD_OUT),
};
#undef S

#define S struct vfio_irq_info
static const struct field irq_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_OUT),
	FIELD(S, index, FIELD_IN),
	FIELD(S, count, FIELD_OUT),
};
#undef S

#define S struct vfio_irq_set
static const struct field irqs_fields[] = {
	FIELD(S, argsz, FIELD_SIZE), FIELD(S, flags, FIELD_IN), FIELD(S, index, FIELD_IN),
	FIELD(S, start, FIELD_IN),   FIELD(S, count, FIELD_IN),
};
#undef S

#define S struct vfio_pci_hot_reset_info
static const struct field reset_info_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_OUT),
	FIELD(S, count, FIELD_OUT),
};
#undef S

#define S struct vfio_pci_hot_reset
static const struct field reset_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
	FIELD(S, count, FIELD_IN),
};
#undef S

#define S struct vfio_device_ioeventfd
static const struct field ioeventfd_fields[] = {
	FIELD(S, argsz, FIELD_SIZE), FIELD(S, flags, FIELD_IN), FIELD(S, offset, FIELD_IN),
	FIELD(S, data, FIELD_IN),    FIELD(S, fd, FIELD_IN),	FIELD(S, reserved, FIELD_IN),
};
#undef S

#define S struct vfio_device_feature
static const struct field feature_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
};
#undef S

#define S struct vfio_device_bind_iommufd
static const struct field bind_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
	FIELD(S, iommufd, FIELD_IN),
	FIELD(S, out_devid, FIELD_OUT),
};
#undef S

#define S struct vfio_device_attach_iommufd_pt
static const struct field attach_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
	FIELD(S, pt_id, FIELD_OUT),
};
#undef S

#define S struct vfio_device_detach_iommufd_pt
static const struct field detach_fields[] = {
	FIELD(S, argsz, FIELD_SIZE),
	FIELD(S, flags, FIELD_IN),
};
#undef S

const struct ioctl_desc vfio_ioctls[] = {
	IOCTL_SIMPLE(VFIO_GET_API_VERSION),
	IOCTL_SIMPLE(VFIO_CHECK_EXTENSION),
	IOCTL_SIMPLE(VFIO_SET_IOMMU),
	IOCTL_SIMPLE(VFIO_IOMMU_ENABLE),
	IOCTL_SIMPLE(VFIO_IOMMU_DISABLE),
	IOCTL_SIMPLE(VFIO_GROUP_UNSET_CONTAINER),
	IOCTL_SIMPLE(VFIO_GROUP_GET_DEVICE_FD),
	IOCTL_SIMPLE(VFIO_DEVICE_RESET),
	IOCTL_SIMPLE(VFIO_DEVICE_QUERY_GFX_PLANE),
	IOCTL_SIMPLE(VFIO_DEVICE_GET_GFX_DMABUF),
	{ "VFIO_GROUP_SET_CONTAINER", VFIO_GROUP_SET_CONTAINER, 4, 1,
	  (const struct field[]){ { "fd", 0, 4, FIELD_IN } } },
	IOCTL(VFIO_IOMMU_GET_INFO, struct vfio_iommu_type1_info, info_fields),
	IOCTL(VFIO_IOMMU_MAP_DMA, struct vfio_iommu_type1_dma_map, map_fields),
	IOCTL(VFIO_IOMMU_UNMAP_DMA, struct vfio_iommu_type1_dma_unmap, unmap_fields),
	IOCTL_AS("VFIO_IOMMU_UNMAP_DMA/bitmap", VFIO_IOMMU_UNMAP_DMA, struct unmap_bitmap,
		 unmap_bitmap_fields),
	IOCTL(VFIO_IOMMU_DIRTY_PAGES, struct vfio_iommu_type1_dirty_bitmap, dirty_fields),
	IOCTL_AS("VFIO_IOMMU_DIRTY_PAGES/get", VFIO_IOMMU_DIRTY_PAGES, struct dirty_get,
		 dirty_get_fields),
	IOCTL(VFIO_GROUP_GET_STATUS, struct vfio_group_status, status_fields),
	IOCTL(VFIO_DEVICE_GET_INFO, struct vfio_device_info, device_fields),
	IOCTL(VFIO_DEVICE_GET_REGION_INFO, struct vfio_region_info, region_fields),
	IOCTL(VFIO_DEVICE_GET_IRQ_INFO, struct vfio_irq_info, irq_fields),
	IOCTL(VFIO_DEVICE_SET_IRQS, struct vfio_irq_set, irqs_fields),
	IOCTL(VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, struct vfio_pci_hot_reset_info,
	      reset_info_fields),
	IOCTL(VFIO_DEVICE_PCI_HOT_RESET, struct vfio_pci_hot_reset, reset_fields),
	IOCTL(VFIO_DEVICE_IOEVENTFD, struct vfio_device_ioeventfd, ioeventfd_fields),
	IOCTL(VFIO_DEVICE_FEATURE, struct vfio_device_feature, feature_fields),
	IOCTL(VFIO_DEVICE_BIND_IOMMUFD, struct vfio_device_bind_iommufd, bind_fields),
	IOCTL(VFIO_DEVICE_ATTACH_IOMMUFD_PT, struct vfio_device_attach_iommufd_pt, attach_fields),
	IOCTL(VFIO_DEVICE_DETACH_IOMMUFD_PT, struct vfio_device_detach_iommufd_pt, detach_fields),
	{ 0 },
};
